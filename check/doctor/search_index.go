package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A truth is a boolean that servers write as true or "true".
type truth bool

func (f *truth) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true" || string(b) == `"true"`
	return nil
}

// A count is a number that servers write as 3 or "3".
type count int

func (n *count) UnmarshalJSON(b []byte) error {
	if i, err := strconv.Atoi(strings.Trim(string(b), `"`)); err == nil {
		*n = count(min(max(i, -maxCount), maxCount))
	}
	return nil
}

// maxCount is the largest number that is taken from an answer: bytes of a disk.
const maxCount = 1 << 60

// maxIndexShards is the largest number of shards or replicas of an index that is taken from an answer (OpenSearch's own is 1024).
const maxIndexShards = 1 << 20

// indexSettings are the settings of an index, or of one that a template would make.
type indexSettings struct {
	Index struct {
		Shards   *count `json:"number_of_shards"`
		Replicas *count `json:"number_of_replicas"`
		Closed   truth  `json:"verified_before_close"`
		Blocks   struct {
			ReadOnly truth `json:"read_only"`
			Write    truth `json:"write"`
			Full     truth `json:"read_only_allow_delete"`
		} `json:"blocks"`
		Lifecycle struct {
			Name string `json:"name"`
		} `json:"lifecycle"`
	} `json:"index"`
}

// index asks for today's index.
func (c *cluster) index(ctx context.Context) {
	name := c.Search.Index
	if c.Search.Dynamic {
		c.ok("index", "records go to indices such as %s; * depends on the record", name)
		return
	}
	var found map[string]struct {
		Aliases  map[string]struct{} `json:"aliases"`
		Stream   string              `json:"data_stream"`
		Settings indexSettings       `json:"settings"`
	}
	const want = "filter_path=*.aliases,*.data_stream,*.settings.index.blocks,*.settings.index.lifecycle.name,*.settings.index.verified_before_close,*.settings.index.provided_name"
	status, ok := c.get(ctx, http.MethodGet, "/"+url.PathEscape(name), want, "", &found, "")
	switch {
	case status == http.StatusNotFound:
		c.ok("index", "records go to %s, which doesn't exist yet: the first record creates it", name)
		return
	case !ok || len(found) == 0:
		if status == http.StatusForbidden {
			c.note("index", "records go to %s; not known whether it exists, since this user may not ask (indices:admin/get)", name)
		} else if !c.lost {
			c.note("index", "records go to %s; not known whether it exists: the server's answer (%d) can't be read", name, status)
		}
		return
	}
	c.exists = true
	names := make([]string, 0, len(found))
	for n := range found {
		names = append(names, n)
	}
	slices.Sort(names)
	newest := names[len(names)-1] // of a data stream, its write index
	i := found[newest]
	switch {
	case i.Stream == name:
		c.stream = true
		c.ok("index", "records go to the data stream %s, which exists", name)
		c.takesCreate()
	case newest != name && len(names) > 1:
		c.ok("index", "records go to the alias %s, of %s", name, listed(names))
	case newest != name:
		c.ok("index", "records go to the alias %s, of the index %s", name, newest)
	default:
		c.ok("index", "records go to the index %s, which exists", name)
	}
	c.policy = i.Settings.Index.Lifecycle.Name
	switch b := i.Settings.Index.Blocks; {
	case bool(i.Settings.Index.Closed):
		c.fail("index", "open it: POST /"+newest+"/_open", "the index %s is closed, and takes no records", newest)
	case bool(b.Full):
		c.fail("index", "free space or delete old indices; then PUT /"+newest+`/_settings {"index.blocks.read_only_allow_delete": null}`, "the index %s is read-only, since a disk was full (flood stage)", newest)
	case bool(b.ReadOnly), bool(b.Write):
		c.fail("index", "remove the block, if nobody needs it: PUT /"+newest+`/_settings {"index.blocks.write": null, "index.blocks.read_only": null}`, "the index %s has a block, and takes no records", newest)
	}
}

// takesCreate warns of an operation that a data stream refuses.
func (c *cluster) takesCreate() {
	if op := c.Search.Operation; op != "create" {
		c.failIfSure("index", "write Write_Operation create", "a data stream takes only create, and the operation is %s: every record will be a dead letter", op)
	}
}

// A template is an index template that covers today's index.
type template struct {
	name     string
	legacy   bool
	patterns []string
}

// templates asks which index template covers today's index.
func (c *cluster) templates(ctx context.Context) {
	if c.Search.Serverless {
		return
	}
	var list struct {
		Templates []struct {
			Name     string `json:"name"`
			Template struct {
				Patterns patterns        `json:"index_patterns"`
				Priority count           `json:"priority"`
				Stream   json.RawMessage `json:"data_stream"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	// A data_stream is an empty object, which filter_path leaves out.
	status, ok := c.get(ctx, http.MethodGet, "/_index_template", "", "", &list, "the index templates")
	best := count(-1)
	stream := false
	for _, t := range list.Templates {
		if t.Template.Patterns.match(c.sample) && t.Template.Priority > best {
			best, c.template = t.Template.Priority, &template{name: t.Name, patterns: t.Template.Patterns}
			stream = len(t.Template.Stream) > 0 && string(t.Template.Stream) != "null"
		}
	}
	if !ok && status != http.StatusNotFound && status != http.StatusBadRequest {
		return
	}
	if c.template == nil {
		c.legacyTemplate(ctx)
	}
	if c.lost {
		return
	}
	if c.template == nil {
		c.note("template", "no index template covers %s: fields get the types of the first record that has them, and the index the server's default number of shards; firelane_bootstrap On installs one", c.name)
		return
	}
	kind := "index template"
	if c.template.legacy {
		kind = "legacy index template"
	} else {
		c.simulate(ctx)
	}
	c.ok("template", "the %s %s (%s) covers %s; a new index has %s, replicas included", kind, c.template.name, listed(c.template.patterns), c.name, plural(c.shards, "shard"))
	if stream && !c.exists {
		c.stream = true
		c.note("template", "the template makes a data stream of %s", c.name)
		c.takesCreate()
	} else if stream && !c.stream {
		c.warn("template", "delete the index, or rename it, if a data stream is wanted", "the template makes data streams, but %s is an index", c.Search.Index)
	}
}

// legacyTemplate asks for templates of the older kind, which the newer kind replaces.
func (c *cluster) legacyTemplate(ctx context.Context) {
	var list map[string]struct {
		Patterns patterns `json:"index_patterns"`
		Order    count    `json:"order"`
	}
	if _, ok := c.get(ctx, http.MethodGet, "/_template", "filter_path=*.index_patterns,*.order", "", &list, "the index templates"); !ok {
		return
	}
	best := count(0)
	for name, t := range list {
		if t.Patterns.match(c.sample) && (c.template == nil || t.Order > best || t.Order == best && name < c.template.name) {
			best, c.template = t.Order, &template{name: name, legacy: true, patterns: t.Patterns}
		}
	}
}

// simulate asks what settings a new index would get.
func (c *cluster) simulate(ctx context.Context) {
	var s struct {
		Template struct {
			Settings indexSettings `json:"settings"`
		} `json:"template"`
	}
	_, ok := c.get(ctx, http.MethodPost, "/_index_template/_simulate_index/"+url.PathEscape(c.sample), "filter_path=template.settings", "", &s, "the settings of a new index")
	if !ok {
		return
	}
	index := s.Template.Settings.Index
	primaries, replicas := 1, 1
	if index.Shards != nil {
		primaries = int(*index.Shards)
	}
	if index.Replicas != nil {
		replicas = int(*index.Replicas)
	}
	c.shards = min(max(primaries, 1), maxIndexShards) * (1 + min(max(replicas, 0), maxIndexShards))
	if c.policy == "" {
		c.policy = index.Lifecycle.Name
	}
}

// patterns are index patterns, which some servers write as one text.
type patterns []string

func (p *patterns) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*p = patterns{one}
		return nil
	}
	var list []string
	err := json.Unmarshal(b, &list)
	*p = list
	return err
}

// maxPattern is the longest pattern in bytes that is compared.
const maxPattern = 1 << 10

// match reports whether one of the patterns, which have only *, covers a name.
func (p patterns) match(name string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool {
		if len(pattern) > maxPattern {
			return false
		}
		quoted := strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`, "]", `\]`).Replace(pattern)
		ok, err := path.Match(quoted, strings.ReplaceAll(name, "/", "_"))
		return ok && err == nil
	})
}
