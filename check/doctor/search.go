package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
)

// A cluster asks a cluster of OpenSearch or Elasticsearch.
type cluster struct {
	*client
	flavour string    // opensearch, elasticsearch; "" if not known
	guarded bool      // its security plugin has said who is signed in
	unknown []unknown // what wasn't answered
	lost    bool      // a question got no answer: no others are asked

	sample   string // an index name of today: Search.Index, with x for what depends on the record
	name     string // the same, for people
	exists   bool   // it does
	stream   bool   // it is a data stream, or would be
	template *template
	policy   string // of retention, by the index's or the template's settings
	shards   int    // of a new index, with its replicas
}

// unknown is what is not known, and why.
type unknown struct{ what, why string }

// mayNotAsk is the usual reason.
const mayNotAsk = "this user may not ask for it, and delivering doesn't need it"

// search asks all that matters for records of the present.
func (e *exam) search(ctx context.Context) {
	web, ok := e.newClient()
	if !ok {
		return
	}
	defer web.close()
	c := &cluster{client: web, sample: strings.ReplaceAll(e.Search.Index, "*", "x"), name: e.Search.Index, shards: 2}
	if e.Search.Serverless {
		c.flavour = "opensearch"
	}
	if e.Search.Dynamic {
		c.name = "an index such as " + c.sample
	}
	if !c.root(ctx) {
		return
	}
	if c.user(ctx); c.flavour == "" {
		if !c.lost {
			c.note("server", "records go to %s; nothing more is checked, because the server doesn't say that it is OpenSearch or Elasticsearch", e.Search.Index)
		}
		return
	}
	steps := []func(context.Context){c.index, c.templates, c.rights, c.retention, c.space, c.pipeline}
	if e.write {
		steps = append(steps, c.test)
	}
	for _, step := range steps {
		if !c.lost {
			step(ctx)
		}
	}
	c.sayUnknown()
}

// sayUnknown says what wasn't answered, in one line for each reason.
func (c *cluster) sayUnknown() {
	for len(c.unknown) > 0 {
		why := c.unknown[0].why
		var list []string
		c.unknown = slices.DeleteFunc(c.unknown, func(u unknown) bool {
			if u.why == why && !slices.Contains(list, u.what) {
				list = append(list, u.what)
			}
			return u.why == why
		})
		c.note("not known", "%s: %s", strings.Join(list, ", "), why)
	}
}

// at is the URL of a path in the cluster's API. Its elements are escaped already.
func (c *cluster) at(path, query string) *url.URL {
	u := *c.Search.Base
	u.RawPath = strings.TrimSuffix(u.EscapedPath(), "/") + path
	u.Path, _ = url.PathUnescape(u.RawPath)
	u.RawQuery = query
	return &u
}

// get asks a question of which the answer is JSON, and reads it into v. It reports whether there is one. what is what stays unknown
// if this user may not ask.
func (c *cluster) get(ctx context.Context, method, path, query, body string, v any, what string) (status int, ok bool) {
	if c.Search.Serverless {
		query = "" // which collections refuse
	}
	a, err := c.ask(ctx, method, c.at(path, query), body, true)
	if err != nil {
		c.lost = true
		c.unanswered(ctx, method+" "+path, err)
		return 0, false
	}
	why := ""
	switch a.status {
	case http.StatusForbidden, http.StatusUnauthorized:
		why = mayNotAsk
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed: // the caller knows what that means
	case http.StatusOK:
		switch {
		case a.long:
			why = "the answer is too long"
		case json.Unmarshal(a.body, v) != nil:
			why = "the answer can't be read"
		default:
			return a.status, true
		}
	default:
		why = fmt.Sprintf("the server answers %d", a.status)
	}
	if why != "" && what != "" {
		c.unknown = append(c.unknown, unknown{what, why})
	}
	return a.status, false
}

// root asks for the server's version. It reports whether more can be asked.
func (c *cluster) root(ctx context.Context) bool {
	a, err := c.ask(ctx, http.MethodGet, c.at("/", ""), "", true)
	if err != nil {
		c.unanswered(ctx, "GET /", err)
		return false
	}
	switch {
	case a.status == http.StatusOK:
		c.version(a)
	case a.saysTLS() && c.TLS == nil:
		c.wantsTLS()
		return false
	case a.status == http.StatusUnauthorized:
		c.fail("sign-in", c.signInFix(), "the server refuses the sign-in (401): %s", c.reason(a))
		return false
	case a.status == http.StatusForbidden && strings.Contains(c.reason(a), "cluster:monitor/main"):
		c.unknown = append(c.unknown, unknown{"the server's version", mayNotAsk})
	case a.status == http.StatusForbidden:
		c.fail("sign-in", c.forbiddenFix(), "the server refuses the request (403): %s", c.reason(a))
		return false
	case a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed:
		c.note("server", "not known which server this is: GET / answers %d", a.status)
	case a.status >= 300 && a.status < 400:
		c.fail("server", "write that host and port into the options", "the server redirects (%d) to %s; the router doesn't follow redirects", a.status, a.header.Get("Location"))
		return false
	case a.status == http.StatusTooManyRequests:
		c.warn("server", "the router waits and tries again; if it lasts, the cluster is too small", "the server is overloaded (429): %s", c.reason(a))
		return false
	default:
		c.fail("server", "see the server's log, or that of the load balancer before it", "GET / answers %d: %s", a.status, c.reason(a))
		return false
	}
	return true
}

// version reads the answer to GET /.
func (c *cluster) version(a *answer) {
	var root struct {
		Cluster string `json:"cluster_name"`
		Tagline string `json:"tagline"`
		Version struct{ Number, Distribution string }
	}
	if json.Unmarshal(a.body, &root) != nil || root.Version.Number == "" {
		c.warn("server", "check host, port and path", "the server answers GET / as neither OpenSearch nor Elasticsearch does: %s", c.excerpt(a))
		return
	}
	name := "Elasticsearch"
	c.flavour = "elasticsearch"
	if root.Version.Distribution == "opensearch" || strings.Contains(root.Tagline, "OpenSearch") {
		name, c.flavour = "OpenSearch", "opensearch"
	}
	c.ok("server", "%s %s, cluster %s", name, root.Version.Number, root.Cluster)
}

// reason is what an answer says about why it refuses.
func (c *client) reason(a *answer) string {
	var body struct {
		Error   json.RawMessage
		Message string
	}
	if json.Unmarshal(a.body, &body) != nil {
		return c.excerpt(a)
	}
	var cause struct{ Type, Reason string }
	var text string
	switch {
	case json.Unmarshal(body.Error, &cause) == nil && cause.Reason != "":
		return cause.Type + ": " + cause.Reason
	case json.Unmarshal(body.Error, &text) == nil && text != "":
		return text
	case body.Message != "":
		return body.Message
	}
	return c.excerpt(a)
}

// userOptions are the names of the options for the user and the password.
func (c *cluster) userOptions() string {
	if c.dialect == config.Fluentd {
		return "user and password"
	}
	return "HTTP_User and HTTP_Passwd"
}

func (c *cluster) signInFix() string {
	switch {
	case c.AWS != nil:
		return "the signature isn't accepted: the domain may want a user and a password instead (" + c.userOptions() + ", without AWS_Auth)"
	case strings.HasPrefix(c.HTTP.Header.Get("Authorization"), "ApiKey "):
		return "correct the API key"
	case c.HTTP.Header.Get("Authorization") != "":
		return "correct " + c.userOptions()
	}
	return "write " + c.userOptions() + ", or AWS_Auth On for an AWS domain with IAM"
}

func (c *cluster) forbiddenFix() string {
	switch {
	case c.AWS != nil && c.Search.Serverless:
		return "the collection's data access policy must name the role above, with aoss:CreateIndex and aoss:WriteDocument, the role's own policy aoss:APIAccessAll, and the network policy must let this network in"
	case c.AWS != nil:
		return "the domain's access policy must let the role above in (es:ESHttp*); with fine-grained access control, the role must also be mapped to a role of OpenSearch, as a backend role"
	case isAWS(c.Host):
		return "write AWS_Auth On and AWS_Region, or " + c.userOptions() + " if the domain has internal users"
	}
	return "give the user the rights to write, in the server's roles"
}

// user asks who is signed in.
func (c *cluster) user(ctx context.Context) {
	if c.flavour != "elasticsearch" {
		var info struct {
			Name    string   `json:"user_name"`
			Roles   []string `json:"roles"`
			Backend []string `json:"backend_roles"`
		}
		if _, ok := c.get(ctx, http.MethodGet, "/_plugins/_security/authinfo", "", "", &info, ""); ok && info.Name != "" {
			c.guarded, c.flavour = true, "opensearch"
			c.ok("sign-in", "signed in as %s; roles: %s; backend roles: %s", info.Name, listed(info.Roles), listed(info.Backend))
			if !slices.ContainsFunc(info.Roles, func(r string) bool { return r != "own_index" }) {
				c.warn("sign-in", "map the user, or the AWS role as a backend role, to a role of OpenSearch (Security, Roles, Mapped users)", "no role of OpenSearch is mapped to %s", info.Name)
			}
			return
		}
	}
	if c.flavour == "opensearch" || c.lost {
		return
	}
	var info struct {
		Name  string   `json:"username"`
		Roles []string `json:"roles"`
	}
	if _, ok := c.get(ctx, http.MethodGet, "/_security/_authenticate", "", "", &info, ""); ok && info.Name != "" {
		c.guarded, c.flavour = true, "elasticsearch"
		c.ok("sign-in", "signed in as %s; roles: %s", info.Name, listed(info.Roles))
	}
}

const maxListed = 10

// listed joins names, the first maxListed of them.
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	text := strings.Join(names[:min(len(names), maxListed)], ", ")
	if n := len(names) - maxListed; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// pipeline asks for the ingest pipeline.
func (c *cluster) pipeline(ctx context.Context) {
	name := c.Search.Pipeline
	if name == "" || name == "_none" {
		return
	}
	var any map[string]json.RawMessage
	status, ok := c.get(ctx, http.MethodGet, "/_ingest/pipeline/"+url.PathEscape(name), "filter_path=*.description,*.processors", "", &any, "the ingest pipeline")
	switch {
	case ok:
		c.ok("pipeline", "the ingest pipeline %s exists", name)
	case status == http.StatusNotFound:
		c.fail("pipeline", "create it, or correct pipeline", "the ingest pipeline %s doesn't exist: every record will be a dead letter", name)
	}
}
