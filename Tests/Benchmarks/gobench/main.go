// Command gobench is the Go side of the comparison: golang/groupcache, unmodified, doing what `groupcache bench`
// does with ours. Each mode prints one JSON object.
//
//	gobench local [-rows get,lru,ring,memory]       nanoseconds per lookup, bytes per entry
//	gobench serve [-listen H:P] [-keys N]           a node that owns and holds every key; prints "listening H:P"
//	gobench peer -node URL [-keys N] [-concurrency C] [-seconds S]
//	                                                a process that owns nothing, asking that node
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

const (
	groupName  = "bench"
	localKeys  = 65536
	valueBytes = 64
)

// key is the same 13 bytes on either side of the comparison.
func key(n int) string { return fmt.Sprintf("key-%09d", n) }

// value is 64 bytes that tell the key they belong to.
func value(key string) []byte {
	text := "value of " + key + " "
	return []byte(text + strings.Repeat(".", valueBytes-len(text)))
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: gobench local|serve|peer [flags]")
	}
	switch os.Args[1] {
	case "local":
		local(os.Args[2:])
	case "serve":
		serve(os.Args[2:])
	case "peer":
		peer(os.Args[2:])
	default:
		fail("unknown mode %q", os.Args[1])
	}
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintln(os.Stderr, "gobench: "+fmt.Sprintf(format, arguments...))
	os.Exit(2)
}

func printJSON(object interface{}) {
	if err := json.NewEncoder(os.Stdout).Encode(object); err != nil {
		fail("%v", err)
	}
}
