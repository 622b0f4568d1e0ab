package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// rights finds out whether the user may write today's index, and create it.
func (c *cluster) rights(ctx context.Context) {
	switch {
	case c.guarded && c.flavour == "opensearch":
		c.tryRights(ctx)
	case c.guarded:
		c.askRights(ctx)
	case c.AWS != nil:
		c.note("rights", "whether the role may write is not known without writing (--write)")
	default:
		c.ok("rights", "the server says nothing about users and rights; probably it has none")
	}
}

// failIfSure is fail, but a warning where the index depends on the record: others may be right.
func (c *cluster) failIfSure(step, fix, format string, args ...any) {
	if c.Search.Dynamic {
		c.warn(step, fix, format, args...)
		return
	}
	c.fail(step, fix, format, args...)
}

// tryRights asks OpenSearch's security plugin, which has no question for that: it makes requests that the server must refuse
// whatever the rights are, but for another reason. A document that is no JSON can't be stored, and require_alias keeps the server
// from creating an index for it; no index can have 0 shards.
func (c *cluster) tryRights(ctx context.Context) {
	may, why, known := c.refused(ctx, http.MethodPost, "/"+url.PathEscape(c.sample)+"/_doc", "require_alias=true", "{")
	switch {
	case c.lost:
		return
	case !known:
		c.note("rights", "whether records may be written is not known without writing (--write)")
		return
	case !may:
		c.failIfSure("rights", "give the user's role indices:data/write/index and indices:data/write/bulk* (the action group crud) on this index, and cluster_composite_ops", "this user may not write to %s: %s", c.name, why)
		return
	}
	bulk, _ := json.Marshal(map[string]any{"create": map[string]any{"_index": c.sample, "require_alias": true}})
	switch may, why, known = c.refused(ctx, http.MethodPost, "/_bulk", "", string(bulk)+"\n{\n"); {
	case c.lost:
		return
	case known && !may:
		c.failIfSure("rights", "give the user's role the cluster permission cluster_composite_ops", "this user may not use _bulk: %s", why)
		return
	}
	c.ok("rights", "this user may write to %s", c.name)
	if c.exists {
		return
	}
	may, why, known = c.refused(ctx, http.MethodPut, "/"+url.PathEscape(c.sample), "", `{"settings":{"number_of_shards":0}}`)
	switch {
	case !known:
		return
	case !may:
		c.failIfSure("rights", "give the user's role indices:admin/create and indices:admin/mapping/put (the action group create_index) on this index", "this user may not create %s: %s", c.name, why)
	default:
		c.ok("rights", "this user may create %s", c.name)
	}
}

// refused makes a request that can't succeed. may: not for lack of rights.
func (c *cluster) refused(ctx context.Context, method, path, query, body string) (may bool, why string, known bool) {
	a, err := c.ask(ctx, method, c.at(path, query), body, true)
	if err != nil {
		c.lost = true
		c.unanswered(ctx, method+" "+path, err)
		return false, "", false
	}
	why = c.reason(a)
	switch a.status {
	case http.StatusForbidden:
		return false, why, strings.Contains(why, "security_exception") || strings.Contains(why, "no permissions")
	case http.StatusBadRequest, http.StatusNotFound, http.StatusOK: // of _bulk, 200 for an item that was refused
		return true, "", true
	}
	return false, why, false
}

// privileges that a delivery needs ("Has privileges API", "Security privileges").
var privileges = []string{"create_doc", "auto_configure"}

// askRights asks Elasticsearch.
func (c *cluster) askRights(ctx context.Context) {
	need := privileges
	if c.Search.Operation != "create" {
		need = []string{"index", "auto_configure"}
	}
	body, _ := json.Marshal(map[string]any{"index": []any{map[string]any{"names": []string{c.sample}, "privileges": need}}})
	var answer struct {
		All   bool                       `json:"has_all_requested"`
		Index map[string]map[string]bool `json:"index"`
	}
	if _, ok := c.get(ctx, http.MethodPost, "/_security/user/_has_privileges", "", string(body), &answer, "the rights"); !ok {
		return
	}
	if answer.All {
		c.ok("rights", "this user may write to %s, and create it", c.name)
		return
	}
	var missing []string
	for _, p := range need {
		if !answer.Index[c.sample][p] {
			missing = append(missing, p)
		}
	}
	c.failIfSure("rights", "give the user's role these privileges on the index", "on %s this user lacks: %s", c.name, listed(missing))
}

// test stores a document and deletes it, for --write.
func (c *cluster) test(ctx context.Context) {
	if c.Search.Dynamic {
		c.note("write", "no test document was stored: the index depends on the record")
		return
	}
	if c.failed() {
		c.note("write", "no test document was stored, because of the errors above")
		return
	}
	id := fmt.Sprintf("firelane-doctor-%d", c.now().UnixNano())
	at := c.now().UTC().Format("2006-01-02T15:04:05.000Z")
	doc := fmt.Sprintf(`{"@timestamp":%q,"log":"test of firelane doctor"}`, at)
	query := ""
	if p := c.Search.Pipeline; p != "" {
		query = "pipeline=" + url.QueryEscape(p)
	}
	path := "/" + url.PathEscape(c.Search.Index) + "/_create/" + id
	if c.Search.Serverless { // which refuses ids
		path, query = "/"+url.PathEscape(c.Search.Index)+"/_doc", ""
	}
	method := http.MethodPost
	a, err := c.ask(ctx, method, c.at(path, query), doc, true)
	if err != nil {
		c.lost = true
		c.unanswered(ctx, method+" "+path, err)
		return
	}
	var stored struct {
		Index string `json:"_index"`
		ID    string `json:"_id"`
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK || json.Unmarshal(a.body, &stored) != nil || stored.ID == "" {
		c.fail("write", "see the reason", "a test document was refused (%d): %s", a.status, c.reason(a))
		return
	}
	made := ""
	if !c.exists {
		made = "; the index was created for it, and stays"
	}
	c.ok("write", "a test document was stored in %s%s", stored.Index, made)
	// A document of a data stream can be deleted only from its backing index, which stored.Index is.
	a, err = c.ask(ctx, http.MethodDelete, c.at("/"+url.PathEscape(stored.Index)+"/_doc/"+url.PathEscape(stored.ID), ""), "", true)
	switch {
	case err != nil:
		c.warn("write", "delete it", "the test document %s may still be there: %v", stored.ID, err)
	case a.status != http.StatusOK:
		c.warn("write", "delete it, or give the role indices:data/write/delete for the next time", "the test document %s is still there: deleting it was refused (%d): %s", stored.ID, a.status, c.reason(a))
	default:
		c.ok("write", "the test document was deleted")
	}
}
