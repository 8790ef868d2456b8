package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/golang/groupcache"
	"github.com/golang/groupcache/consistenthash"
	"github.com/golang/groupcache/lru"
)

// Every timing is the median of a few rounds over a random order that was made beforehand, after one round to
// warm up.
const rounds = 5

func local(arguments []string) {
	flags := flag.NewFlagSet("local", flag.ExitOnError)
	rows := flags.String("rows", "get,lru,ring,memory", "which rows to measure")
	flags.Parse(arguments)
	result := map[string]float64{}
	for _, row := range strings.Split(*rows, ",") {
		switch row {
		case "get":
			measureGet(result)
		case "lru":
			result["lru_get_ns"] = measureLRU()
		case "ring":
			result["ring8_ns"] = measureRing(8)
			result["ring512_ns"] = measureRing(512)
		case "memory":
			result["overhead_bytes_per_entry"] = measureMemory(1_000_000)
		default:
			fail("unknown row %q", row)
		}
	}
	printJSON(result)
}

// randomOrder is the keys that one thread asks for in one round.
func randomOrder(seed int64) []string {
	keys := make([]string, localKeys)
	for n := range keys {
		keys[n] = key(n)
	}
	random := rand.New(rand.NewSource(seed))
	order := make([]string, 4*localKeys)
	for n := range order {
		order[n] = keys[random.Intn(localKeys)]
	}
	return order
}

// perOperation runs the same number of operations on every thread at once and returns wall time divided by the
// operations of all threads, as Go's own RunParallel does: two threads that do not hinder each other halve it.
func perOperation(threads, operations int, round func(thread int)) float64 {
	taken := []float64{}
	for attempt := 0; attempt <= rounds; attempt++ {
		runtime.GC()
		var done sync.WaitGroup
		begin := time.Now()
		for thread := 0; thread < threads; thread++ {
			done.Add(1)
			go func(thread int) {
				defer done.Done()
				round(thread)
			}(thread)
		}
		done.Wait()
		if attempt > 0 {
			taken = append(taken, float64(time.Since(begin).Nanoseconds()))
		}
	}
	sort.Float64s(taken)
	return taken[rounds/2] / float64(threads*operations)
}

func newGroup(cacheBytes int64) *groupcache.Group {
	return groupcache.NewGroup(groupName, cacheBytes, groupcache.GetterFunc(
		func(_ context.Context, key string, dest groupcache.Sink) error { return dest.SetBytes(value(key)) }))
}

// measureGet times hits of Group.Get through each of the library's sinks. get_ns is that of ByteViewSink, its
// cheapest, which copies nothing; the two others copy the value out.
func measureGet(result map[string]float64) {
	group := newGroup(1 << 30)
	orders := [][]string{randomOrder(1), randomOrder(2)}
	ctx := context.Background()
	view := func(thread int) {
		var dest groupcache.ByteView
		for _, key := range orders[thread] {
			if err := group.Get(ctx, key, groupcache.ByteViewSink(&dest)); err != nil || dest.Len() != valueBytes {
				panic("a get failed")
			}
		}
	}
	text := func(thread int) {
		var dest string
		for _, key := range orders[thread] {
			if err := group.Get(ctx, key, groupcache.StringSink(&dest)); err != nil || len(dest) != valueBytes {
				panic("a get failed")
			}
		}
	}
	bytes := func(thread int) {
		var dest []byte
		for _, key := range orders[thread] {
			if err := group.Get(ctx, key, groupcache.AllocatingByteSliceSink(&dest)); err != nil || len(dest) != valueBytes {
				panic("a get failed")
			}
		}
	}
	for n := 0; n < localKeys; n++ {
		var dest groupcache.ByteView
		if err := group.Get(ctx, key(n), groupcache.ByteViewSink(&dest)); err != nil {
			panic(err)
		}
	}
	loads := group.Stats.LocalLoads.Get()
	operations := len(orders[0])
	result["get_ns"] = perOperation(1, operations, view)
	result["get_2threads_ns"] = perOperation(2, operations, view)
	result["get_string_ns"] = perOperation(1, operations, text)
	result["get_bytes_ns"] = perOperation(1, operations, bytes)
	if group.Stats.LocalLoads.Get() != loads {
		panic("not every get was a hit")
	}
}

func measureLRU() float64 {
	cache := lru.New(0)
	for n := 0; n < localKeys; n++ {
		cache.Add(key(n), value(key(n)))
	}
	order := randomOrder(3)
	return perOperation(1, len(order), func(int) {
		for _, key := range order {
			if _, hit := cache.Get(key); !hit {
				panic("a get missed")
			}
		}
	})
}

func measureRing(peers int) float64 {
	ring := consistenthash.New(50, nil)
	for n := 0; n < peers; n++ {
		ring.Add(fmt.Sprintf("http://10.0.%d.%d:8001", n/250, n%250+1))
	}
	order := randomOrder(4)
	return perOperation(1, len(order), func(int) {
		for _, key := range order {
			if ring.Get(key) == "" {
				panic("no owner")
			}
		}
	})
}

// measureMemory is what the live heap grew by for each entry, less the entry's 13 bytes of key and 64 of value.
// The heap's growth is the kindest measure to Go: its process holds about twice that between collections.
func measureMemory(entries int) float64 {
	keyBytes := float64(len(key(0)))
	group := newMemoryGroup()
	ctx := context.Background()
	get := func(n int) {
		var dest groupcache.ByteView
		if err := group.Get(ctx, key(n), groupcache.ByteViewSink(&dest)); err != nil {
			panic(err)
		}
	}
	get(entries)
	before := liveHeap()
	for n := 0; n < entries; n++ {
		get(n)
	}
	after := liveHeap()
	if items := group.CacheStats(groupcache.MainCache).Items; items != int64(entries+1) {
		panic(fmt.Sprintf("%d entries are cached", items))
	}
	return float64(after-before)/float64(entries) - keyBytes - valueBytes
}

func newMemoryGroup() *groupcache.Group {
	return groupcache.NewGroup("memory", 1<<40, groupcache.GetterFunc(
		func(_ context.Context, _ string, dest groupcache.Sink) error {
			return dest.SetBytes(make([]byte, valueBytes))
		}))
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
