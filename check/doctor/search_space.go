package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// defaultMaxShards is how many shards a data node has at most, unless cluster.max_shards_per_node says otherwise.
	defaultMaxShards = 1000
	// enoughIndices is for how many new indices there should be shards left: a month of daily ones.
	enoughIndices = 30
)

// settings are what of a cluster's settings matters here.
type settings struct {
	Cluster struct {
		MaxShards count `json:"max_shards_per_node"`
		Routing   struct {
			Allocation struct {
				Disk struct {
					Enabled   string    `json:"threshold_enabled"`
					Watermark watermark `json:"watermark"`
				} `json:"disk"`
			} `json:"allocation"`
		} `json:"routing"`
	} `json:"cluster"`
}

// A watermark is how full a disk may be, or how much must be free.
type watermark struct {
	Low   string `json:"low"`
	High  string `json:"high"`
	Flood string `json:"flood_stage"`
}

// askSettings asks for the settings. Of the three levels the first that has one counts.
func (c *cluster) askSettings(ctx context.Context) (maxShards int, w watermark, watched bool) {
	var s struct{ Transient, Persistent, Defaults settings }
	c.get(ctx, http.MethodGet, "/_cluster/settings",
		"include_defaults=true&filter_path=*.cluster.max_shards_per_node,*.cluster.routing.allocation.disk", "", &s, "the cluster's settings")
	watched = true
	for _, level := range []settings{s.Defaults, s.Persistent, s.Transient} { // a later one wins
		disk := level.Cluster.Routing.Allocation.Disk
		maxShards = cmp.Or(int(level.Cluster.MaxShards), maxShards)
		w = watermark{cmp.Or(disk.Watermark.Low, w.Low), cmp.Or(disk.Watermark.High, w.High), cmp.Or(disk.Watermark.Flood, w.Flood)}
		if disk.Enabled != "" {
			watched = disk.Enabled != "false"
		}
	}
	return cmp.Or(maxShards, defaultMaxShards), w, watched
}

// space asks how many shards are left, and then about the disks.
func (c *cluster) space(ctx context.Context) {
	if c.Search.Serverless {
		return
	}
	var h struct {
		Status       string
		Nodes        int `json:"number_of_data_nodes"`
		Active       int `json:"active_shards"`
		Initializing int `json:"initializing_shards"`
		Unassigned   int `json:"unassigned_shards"`
	}
	_, ok := c.get(ctx, http.MethodGet, "/_cluster/health", "", "", &h, "the cluster's health")
	if c.lost {
		return
	}
	maxShards, w, watched := c.askSettings(ctx)
	if ok && h.Nodes > 0 {
		c.health(h.Status, h.Unassigned)
		c.shardsLeft(h.Active+h.Initializing+h.Unassigned, maxShards*h.Nodes, maxShards, h.Nodes)
	}
	switch {
	case c.lost:
	case !watched:
		c.note("disk", "the cluster doesn't watch how full its disks are (cluster.routing.allocation.disk.threshold_enabled is false)")
	default:
		c.disks(ctx, w)
	}
}

func (c *cluster) health(status string, unassigned int) {
	switch status {
	case "red":
		c.warn("cluster", "find out by GET /_cluster/allocation/explain which primary shards are missing: records for these indices wait", "the cluster is red, with %s on no node", plural(unassigned, "shard"))
	case "yellow":
		c.note("cluster", "the cluster is yellow: replicas are on no node (%s)", plural(unassigned, "shard"))
	default:
		c.ok("cluster", "the cluster is %s", status)
	}
}

func (c *cluster) shardsLeft(used, limit, perNode, nodes int) {
	left := limit - used
	text := fmt.Sprintf("%d of %d shards are used (%d for each of %s)", used, limit, perNode, plural(nodes, "data node"))
	fix := "delete old indices (see retention), or make fewer shards for each index: the server creates no index when none is left, and records for it wait"
	switch {
	case left < c.shards:
		c.fail("shards", fix, "%s: none are left for a new index, which needs %d", text, c.shards)
	case left < enoughIndices*c.shards:
		c.warn("shards", fix, "%s: enough for %d more indices of %s each", text, left/c.shards, plural(c.shards, "shard"))
	default:
		c.ok("shards", "%s", text)
	}
}

// A node's disk, in bytes, as _cat/allocation has it.
type nodeDisk struct {
	Node    string `json:"node"`
	Percent *count `json:"disk.percent"`
	Free    *count `json:"disk.avail"`
	Total   *count `json:"disk.total"`
}

// disks compares the disks with the watermarks.
func (c *cluster) disks(ctx context.Context, w watermark) {
	var list []nodeDisk
	if _, ok := c.get(ctx, http.MethodGet, "/_cat/allocation", "format=json&bytes=b&h=node,disk.percent,disk.avail,disk.total", "", &list, "the nodes' disks"); !ok {
		return
	}
	w = watermark{cmp.Or(w.Low, "85%"), cmp.Or(w.High, "90%"), cmp.Or(w.Flood, "95%")}
	list = slices.DeleteFunc(list, func(n nodeDisk) bool { return n.Percent == nil || n.Free == nil || n.Total == nil })
	if len(list) == 0 {
		return
	}
	fullest := slices.MaxFunc(list, func(a, b nodeDisk) int { return cmp.Compare(*a.Percent, *b.Percent) })
	text := fmt.Sprintf("the fullest of %s is that of %s: %d %% used, %s free", plural(len(list), "disk"), fullest.Node, *fullest.Percent, size(int64(*fullest.Free)))
	fix := "delete old indices (see retention), or add disk"
	switch {
	case fullest.over(w.Flood):
		c.fail("disk", fix, "%s: over the flood stage (%s), at which indices become read-only", text, w.Flood)
	case fullest.over(w.High):
		c.warn("disk", fix, "%s: over the high watermark (%s), at which shards are moved away; at %s indices become read-only", text, w.High, w.Flood)
	case fullest.over(w.Low):
		c.warn("disk", fix, "%s: over the low watermark (%s), at which no new shards come; at %s indices become read-only", text, w.Low, w.Flood)
	default:
		c.ok("disk", "%s; at %s indices become read-only", text, w.Flood)
	}
}

// over reports whether the disk is beyond a mark: 85%, a ratio such as 0.85, or the space that must be free, such as 10gb.
func (n nodeDisk) over(mark string) bool {
	mark = strings.ToLower(strings.TrimSpace(mark))
	if p, ok := strings.CutSuffix(mark, "%"); ok {
		f, err := strconv.ParseFloat(p, 64)
		return err == nil && float64(*n.Percent) >= f
	}
	if f, err := strconv.ParseFloat(mark, 64); err == nil {
		return f <= 1 && float64(*n.Percent) >= f*100
	}
	for unit, bytes := range map[string]float64{"tb": 1 << 40, "gb": 1 << 30, "mb": 1 << 20, "kb": 1 << 10} {
		if p, ok := strings.CutSuffix(mark, unit); ok {
			f, err := strconv.ParseFloat(p, 64)
			return err == nil && float64(*n.Free) < f*bytes
		}
	}
	return false
}

// size is a number of bytes for people.
func size(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes {
			return strconv.FormatFloat(float64(n)/float64(unit.bytes), 'f', 1, 64) + " " + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
