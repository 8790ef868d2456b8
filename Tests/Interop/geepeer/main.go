// Command geepeer is a node that speaks GeeCache's wire, written from the description of that wire, to stand
// in one ring with ours: crc32 ring of 50 points a peer, GET <peer>/_geecache/<group>/<key>, both parts escaped
// with url.QueryEscape, and a body that is either the raw value (the tutorial's days 5 and 6) or the message
// Response{bytes value = 1} (day 7). Path and content type are the same for both, so a node must be told.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"../control"
)

const (
	basePath = "/_geecache/"
	// maxBody bounds what a peer may send.
	maxBody = 8 << 20
)

func main() {
	body := flag.String("body", "protobuf", "what an answer carries: raw or protobuf")
	control.Main(basePath, func(options control.Options, origin *control.Origin) (control.Node, error) {
		codec, known := codecs[*body]
		if !known {
			return nil, fmt.Errorf("-body must be raw or protobuf, not %q", *body)
		}
		return &node{options: options, origin: origin, codec: codec, cache: map[string][]byte{}, flights: map[string]*flight{}}, nil
	})
}

// node caches what it loads and, like GeeCache, nothing of what peers sent. It never evicts: a test asks for
// a few thousand small keys.
type node struct {
	options control.Options
	origin  *control.Origin
	codec   codec

	mu      sync.Mutex
	self    string
	ring    ring
	cache   map[string][]byte
	flights map[string]*flight
}

// flight is one running load that many callers share.
type flight struct {
	done  chan struct{}
	value []byte
	err   error
}

func (n *node) SetPeers(self string, peers []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.self, n.ring = self, newRing(peers)
	return nil
}

func (n *node) Owner(key string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ring.owner(key)
}

func (n *node) Get(ctx context.Context, key string) ([]byte, error) {
	if key == "" {
		return nil, errors.New("key is required")
	}
	n.mu.Lock()
	if value, cached := n.cache[key]; cached {
		n.mu.Unlock()
		return value, nil
	}
	if running, found := n.flights[key]; found {
		n.mu.Unlock()
		<-running.done
		return running.value, running.err
	}
	own := &flight{done: make(chan struct{})}
	n.flights[key] = own
	owner, self := n.ring.owner(key), n.self
	n.mu.Unlock()

	remote := false
	if owner != self {
		own.value, own.err = n.ask(ctx, owner, key)
		remote = own.err == nil
	}
	if !remote {
		own.value, own.err = n.origin.Load(key)
	}
	n.mu.Lock()
	if own.err == nil && !remote {
		n.cache[key] = own.value
	}
	delete(n.flights, key)
	n.mu.Unlock()
	close(own.done)
	return own.value, own.err
}

var client = &http.Client{Timeout: 10 * time.Second}

func (n *node) ask(ctx context.Context, peer, key string) ([]byte, error) {
	address := peer + basePath + url.QueryEscape(n.options.Group) + "/" + url.QueryEscape(key)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("server returned: %v", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, errors.New("the answer is too large")
	}
	return n.codec.decode(body)
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.options.PlusIsSpace {
		decoded, err := control.PlusAsSpace(r)
		if err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		r = decoded
	}
	group, key, err := control.SplitPath(r, basePath)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if group != n.options.Group {
		http.Error(w, "no such group: "+group, http.StatusNotFound)
		return
	}
	value, err := n.Get(r.Context(), key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// GeeCache sends this type for both kinds of body.
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(n.codec.encode(value))
}
