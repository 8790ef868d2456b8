package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"

	"github.com/golang/groupcache"
)

const basePath = "/_groupcache/"

// serve is a node alone on its ring: it owns every key, and has loaded each before it says so.
func serve(arguments []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "host:port to listen on")
	keys := flags.Int("keys", 10000, "how many keys to hold")
	flags.Parse(arguments)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		fail("%v", err)
	}
	self := "http://" + listener.Addr().String()
	pool := groupcache.NewHTTPPoolOpts(self, &groupcache.HTTPPoolOptions{BasePath: basePath})
	pool.Set(self)
	group := newGroup(1 << 30)
	for n := 0; n < *keys; n++ {
		var dest groupcache.ByteView
		if err := group.Get(context.Background(), key(n), groupcache.ByteViewSink(&dest)); err != nil {
			fail("%v", err)
		}
	}
	fmt.Printf("listening %s\n", listener.Addr())
	fail("%v", http.Serve(listener, pool))
}

// peer measures Group.Get of keys that another node owns. Its own group has a cache of no bytes, so that each
// get crosses the wire; gets of one key at one time share a flight, as they do on the other side.
func peer(arguments []string) {
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	node := flags.String("node", "", "base URL of the node that owns the keys")
	keys := flags.Int("keys", 10000, "how many keys to ask for, at random")
	concurrency := flags.Int("concurrency", 16, "callers at once")
	seconds := flags.Float64("seconds", 5, "how long to measure, after a fifth of that to warm up")
	flags.Parse(arguments)
	if *node == "" || *keys < 1 || *concurrency < 1 || *seconds <= 0 {
		fail("peer needs -node, and numbers above zero")
	}
	pool := groupcache.NewHTTPPoolOpts("http://client.invalid:1", &groupcache.HTTPPoolOptions{BasePath: basePath})
	pool.Set(*node)
	// The default transport keeps two idle connections a host, which would make this a test of TCP's handshake.
	transport := &http.Transport{MaxIdleConnsPerHost: *concurrency, MaxIdleConns: *concurrency}
	pool.Transport = func(context.Context) http.RoundTripper { return transport }
	pool.Set(*node)
	group := newGroup(0)

	names := make([]string, *keys)
	for n := range names {
		names[n] = key(n)
	}
	ask(group, names, *concurrency, time.Duration(*seconds/5*float64(time.Second)))
	taken, latencies, errors := ask(group, names, *concurrency, time.Duration(*seconds*float64(time.Second)))
	if local := group.Stats.LocalLoads.Get(); local > 0 {
		errors += int(local)
		fmt.Fprintf(os.Stderr, "gobench: %d gets were not answered by the node\n", local)
	}
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	percentile := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return float64(latencies[int(share*float64(len(latencies)-1))]) / 1000
	}
	printJSON(map[string]float64{
		"gets_per_second": float64(len(latencies)) / taken.Seconds(),
		"p50_us":          percentile(0.50),
		"p99_us":          percentile(0.99),
		"errors":          float64(errors),
	})
}

// ask runs the callers for a while, each waiting for its answer before it asks again.
func ask(group *groupcache.Group, keys []string, concurrency int, span time.Duration) (time.Duration, []time.Duration, int) {
	perCaller := make([][]time.Duration, concurrency)
	failures := make([]int, concurrency)
	ctx := context.Background()
	begin := time.Now()
	var done sync.WaitGroup
	for caller := 0; caller < concurrency; caller++ {
		done.Add(1)
		go func(caller int) {
			defer done.Done()
			random := rand.New(rand.NewSource(int64(caller)))
			for now := time.Now(); now.Sub(begin) < span; {
				var dest groupcache.ByteView
				err := group.Get(ctx, keys[random.Intn(len(keys))], groupcache.ByteViewSink(&dest))
				after := time.Now()
				if err != nil || dest.Len() != valueBytes {
					failures[caller]++
				} else {
					perCaller[caller] = append(perCaller[caller], after.Sub(now))
				}
				now = after
			}
		}(caller)
	}
	done.Wait()
	taken := time.Since(begin)
	latencies, errors := []time.Duration{}, 0
	for caller := range perCaller {
		latencies = append(latencies, perCaller[caller]...)
		errors += failures[caller]
	}
	return taken, latencies, errors
}
