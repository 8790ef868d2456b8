// Command gopeer is a node of golang/groupcache, unmodified, to stand in one ring with ours.
package main

import (
	"context"
	"net/http"

	"github.com/golang/groupcache"
	"github.com/golang/groupcache/consistenthash"

	"../control"
)

const (
	basePath   = "/_groupcache/"
	replicas   = 50
	cacheBytes = 64 << 20
)

func main() {
	control.Main(basePath, func(options control.Options, origin *control.Origin) (control.Node, error) {
		group := groupcache.NewGroup(options.Group, cacheBytes, groupcache.GetterFunc(
			func(_ context.Context, key string, dest groupcache.Sink) error {
				value, err := origin.Load(key)
				if err != nil {
					return err
				}
				return dest.SetBytes(value)
			}))
		return &node{group: group, plusIsSpace: options.PlusIsSpace}, nil
	})
}

type node struct {
	group       *groupcache.Group
	plusIsSpace bool
	pool        *groupcache.HTTPPool
	// ring repeats the pool's own, which cannot be asked for the name of an owner.
	ring *consistenthash.Map
}

// SetPeers makes the pool at the first call, not earlier: a pool knows its own URL from the start, and that
// has a port in it. The group asks for its peers at its first Get, and control lets none through before this.
func (n *node) SetPeers(self string, peers []string) error {
	if n.pool == nil {
		n.pool = groupcache.NewHTTPPoolOpts(self, &groupcache.HTTPPoolOptions{BasePath: basePath, Replicas: replicas})
	}
	n.pool.Set(peers...)
	ring := consistenthash.New(replicas, nil)
	ring.Add(peers...)
	n.ring = ring
	return nil
}

func (n *node) Owner(key string) string { return n.ring.Get(key) }

func (n *node) Get(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := n.group.Get(ctx, key, groupcache.AllocatingByteSliceSink(&value))
	return value, err
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.plusIsSpace {
		decoded, err := control.PlusAsSpace(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r = decoded
	}
	n.pool.ServeHTTP(w, r)
}
