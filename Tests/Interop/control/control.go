// Package control is what the neighbour programs of the interop tests share: their flags, the origin they
// read from, and the routes by which a test steers and inspects a node. Only the wire differs between them.
//
// Control routes, on the node's own port but outside the cache's base path:
//
//	GET  /control/ready          200 "ready" once the node knows its peers, 503 before
//	POST /control/peers          {"self": URL, "peers": [URL, …]}: joins the ring; may be sent again with other peers
//	GET  /control/get?key=K      the value, read through the ring as an embedding server would; 502 with the error's text
//	GET  /control/owner?key=K    the id that the ring gives the key to
//	GET  /control/loads          {"<standard base64 of the key>": loads, …}: how often this process asked its origin
//
// K is a form value: a space is "+" or "%20", a plus is "%2B".
package control

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

// Node is one neighbour in the ring.
type Node interface {
	// SetPeers replaces the ring. The ids are base URLs, sorted and without duplicates, and self is one of them.
	SetPeers(self string, peers []string) error
	// Get reads through the ring: own cache, else the owner, else the origin.
	Get(ctx context.Context, key string) ([]byte, error)
	// Owner is the id of the peer that the ring gives the key to.
	Owner(key string) string
	// ServeHTTP answers peers below the base path.
	http.Handler
}

// Options are the flags that every neighbour has.
type Options struct {
	Group string
	// PlusIsSpace makes the server read a raw "+" in a path as a space. See the flag's text.
	PlusIsSpace bool
}

const plusUsage = `how the server reads a raw "+" in a peer's path: "space", as its clients mean it when they escape ` +
	`a space with url.QueryEscape; or "literal", the stock behaviour of the family's Go servers, by which two ` +
	`Go nodes fail to name a key with a space to each other (golang/groupcache#25)`

// Main parses the flags, serves until the process is killed, and never returns.
// make is called once, after the flags are known to be good; extra flags must be defined before.
func Main(basePath string, make func(options Options, origin *Origin) (Node, error)) {
	listen := flag.String("listen", "127.0.0.1:0", "host:port to listen on; port 0 takes a free one, and the first line of output names it")
	self := flag.String("self", "", "own base URL, as the other nodes name it (with -peers; else POST /control/peers)")
	peers := flag.String("peers", "", "base URLs of all nodes, own one included, separated by commas")
	group := flag.String("group", "scores", "name of the group")
	plus := flag.String("plus", "space", plusUsage)
	untilEOF := flag.Bool("until-eof", false, "exit when standard input ends, so that no node outlives its test")
	flag.Parse()

	if flag.NArg() > 0 {
		refuse("unexpected argument %q", flag.Arg(0))
	}
	if *group == "" || strings.Contains(*group, "/") {
		refuse("-group must be a name without a slash")
	}
	if *plus != "space" && *plus != "literal" {
		refuse("-plus must be space or literal, not %q", *plus)
	}
	if (*self == "") != (*peers == "") {
		refuse("-self and -peers go together")
	}
	var wanted membership
	if *self != "" {
		wanted = membership{Self: *self, Peers: strings.Split(*peers, ",")}
		if err := wanted.normalize(); err != nil {
			refuse("%v", err)
		}
	}

	origin := &Origin{loads: map[string]int{}}
	node, err := make(Options{Group: *group, PlusIsSpace: *plus == "space"}, origin)
	if err != nil {
		refuse("%v", err)
	}
	s := &server{basePath: basePath, node: node, origin: origin}
	if wanted.Self != "" {
		if err := s.join(wanted); err != nil {
			refuse("%v", err)
		}
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		refuse("%v", err)
	}
	if *untilEOF {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	fmt.Printf("listening %s\n", listener.Addr())
	err = (&http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func refuse(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", os.Args[0], fmt.Sprintf(format, arguments...))
	os.Exit(2)
}

// Origin is what the getter reads: the value of every key follows from the key, and each load is counted.
type Origin struct {
	mu    sync.Mutex
	loads map[string]int
}

// FailPrefix begins the keys that the origin refuses, so that a test can see a getter's error cross the wire.
const FailPrefix = "fail:"

// Load returns "value of " followed by the key, or an error for keys that begin with FailPrefix.
func (o *Origin) Load(key string) ([]byte, error) {
	o.mu.Lock()
	o.loads[key]++
	o.mu.Unlock()
	if strings.HasPrefix(key, FailPrefix) {
		return nil, errors.New("the origin refuses this key")
	}
	return []byte("value of " + key), nil
}

// membership is the body of POST /control/peers.
type membership struct {
	Self  string   `json:"self"`
	Peers []string `json:"peers"`
}

// normalize sorts the peers, drops duplicates, and reports what cannot be a ring of base URLs.
// Order matters to the family's rings where two points collide, so every node must add them in one order.
func (m *membership) normalize() error {
	seen := map[string]bool{}
	for _, peer := range m.Peers {
		u, err := url.Parse(peer)
		if err != nil {
			return err
		}
		if u.Scheme != "http" || u.Port() == "" || u.Hostname() == "" || peer != "http://"+u.Host {
			return fmt.Errorf("peer %q is not of the form http://host:port", peer)
		}
		seen[peer] = true
	}
	if !seen[m.Self] {
		return fmt.Errorf("self %q is not among the peers", m.Self)
	}
	m.Peers = m.Peers[:0]
	for peer := range seen {
		m.Peers = append(m.Peers, peer)
	}
	sort.Strings(m.Peers)
	return nil
}

// server routes between the control routes and the node.
// It is a handler of its own: http.ServeMux would redirect keys that contain "//" or "..".
type server struct {
	basePath string
	node     Node
	origin   *Origin

	mu    sync.RWMutex
	self  string
	ready bool
}

func (s *server) join(m membership) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready && m.Self != s.self {
		return fmt.Errorf("this node is %q already", s.self)
	}
	if err := s.node.SetPeers(m.Self, m.Peers); err != nil {
		return err
	}
	s.self, s.ready = m.Self, true
	return nil
}

func (s *server) isReady() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ready
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/control/peers":
		s.servePeers(w, r)
	case path == "/control/loads":
		s.serveLoads(w)
	case !s.isReady():
		http.Error(w, "this node knows no peers yet", http.StatusServiceUnavailable)
	case path == "/control/ready":
		io.WriteString(w, "ready\n")
	case path == "/control/owner":
		io.WriteString(w, s.node.Owner(r.FormValue("key")))
	case path == "/control/get":
		value, err := s.node.Get(r.Context(), r.FormValue("key"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(value)
	case strings.HasPrefix(path, s.basePath):
		s.node.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *server) servePeers(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	var m membership
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := m.normalize(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.join(m); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	io.WriteString(w, "joined\n")
}

func (s *server) serveLoads(w http.ResponseWriter) {
	s.origin.mu.Lock()
	defer s.origin.mu.Unlock()
	// Keys are any bytes, and JSON text is not: base64.
	encoded := make(map[string]int, len(s.origin.loads))
	for key, count := range s.origin.loads {
		encoded[Base64(key)] = count
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(encoded)
}
