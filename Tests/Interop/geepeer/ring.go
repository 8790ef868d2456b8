package main

import (
	"hash/crc32"
	"sort"
	"strconv"
)

const replicas = 50

// ring is GeeCache's: every peer has 50 points, crc32(index + id), and owns the keys whose crc32 lies on or
// before a point of it. Where two points collide, the peer added last has the point.
type ring struct {
	points []uint32
	peers  map[uint32]string
}

func newRing(ids []string) ring {
	r := ring{peers: map[uint32]string{}}
	for _, id := range ids {
		for index := 0; index < replicas; index++ {
			point := crc32.ChecksumIEEE([]byte(strconv.Itoa(index) + id))
			r.points = append(r.points, point)
			r.peers[point] = id
		}
	}
	sort.Slice(r.points, func(i, j int) bool { return r.points[i] < r.points[j] })
	return r
}

func (r ring) owner(key string) string {
	if len(r.points) == 0 {
		return ""
	}
	hash := crc32.ChecksumIEEE([]byte(key))
	index := sort.Search(len(r.points), func(i int) bool { return r.points[i] >= hash })
	return r.peers[r.points[index%len(r.points)]]
}
