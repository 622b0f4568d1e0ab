package systemd

import "bytes"

const (
	cacheSize  = 256 << 10 // bytes of a generation of fields that are kept, of which there are two
	cacheField = 1 << 10   // bytes of the largest one
	cacheCost  = 160       // bytes that a field takes besides its own
)

// A cache keeps short fields, since most of them belong to many entries. It has two generations, of which the older one is dropped
// when the younger one is full.
type cache struct {
	young, old map[place]cached
	size       int // bytes of the younger one
}

// A place is where a field is.
type place struct {
	s  *source
	at int64
}

// A cached is a field of an entry. Unless it is kept, it is valid until the next one is read.
type cached struct {
	name, value []byte
	condition   int // the filter's condition that it fulfils; -1: none
	kept        bool
}

func (c *cache) get(s *source, at int64) (cached, bool) {
	f, ok := c.young[place{s, at}]
	if !ok {
		if f, ok = c.old[place{s, at}]; ok {
			c.keep(place{s, at}, f)
		}
	}
	return f, ok
}

// put keeps a copy of a field, if it is short, and returns it.
func (c *cache) put(s *source, at int64, f cached) cached {
	if len(f.name)+len(f.value) > cacheField {
		return f
	}
	text := append(bytes.Clone(f.name), f.value...)
	f.name, f.value, f.kept = text[:len(f.name):len(f.name)], text[len(f.name):], true
	c.keep(place{s, at}, f)
	return f
}

func (c *cache) keep(p place, f cached) {
	if c.size += len(f.name) + len(f.value) + cacheCost; c.size > cacheSize || c.young == nil {
		c.old, c.young, c.size = c.young, map[place]cached{}, 0
	}
	c.young[p] = f
}

// memory is about how many bytes the cache has.
func (c *cache) memory() int {
	if c.old != nil {
		return c.size + cacheSize
	}
	return c.size
}
