package bulk

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// repairs are refusals that concern the item's index or the whole cluster, not the record, with what a person can do about them.
// A refusal matches if it has the type ("": one of argumentTypes), and all of the texts in its reason. Target is what the item's
// target is; "": an index.
var repairs = []struct {
	errType string
	texts   []string
	sink.Trouble
}{
	{"index_not_found_exception", []string{"auto_create_index"}, sink.Trouble{Kind: sink.Missing, What: "has no %s and may not create it", Want: "create the index, or allow it in action.auto_create_index"}},
	{"index_not_found_exception", []string{"forbids index auto creation"}, sink.Trouble{Kind: sink.Missing, What: "has no %s and may not create it by its template", Want: "create the index, or allow it in its template (allow_auto_create)"}},
	{"index_not_found_exception", []string{"is not an alias"}, sink.Trouble{Kind: sink.Missing, Target: "alias", What: "has no %s", Want: "create the alias"}},
	{"index_not_found_exception", []string{"is not a data stream"}, sink.Trouble{Kind: sink.Missing, Target: "data stream", What: "has no %s", Want: "create the data stream"}},
	{"index_not_found_exception", nil, sink.Trouble{Kind: sink.Missing, What: "has no %s", Want: "create the index, or let the cluster do it (action.auto_create_index)"}},
	{"index_closed_exception", nil, closed},
	{"index_create_block_exception", nil, sink.Trouble{Kind: sink.DiskFull, What: "creates no index (create-index block)", Want: "free disk space on the cluster, or remove cluster.blocks.create_index"}},
	{"cluster_block_exception", []string{"/10/"}, sink.Trouble{Kind: sink.DiskFull, What: "creates no index (create-index block)", Want: "free disk space on the cluster, or remove cluster.blocks.create_index"}},
	{"cluster_block_exception", []string{"/12/"}, sink.Trouble{Kind: sink.DiskFull, What: "is out of disk space (flood-stage block)", Want: "free disk space or delete old indices; the block goes by itself, or by index.blocks.read_only_allow_delete: null"}},
	{"cluster_block_exception", []string{"index closed"}, closed},
	{"cluster_block_exception", nil, sink.Trouble{Kind: sink.ReadOnly, What: "has made %s read-only (index.blocks)", Want: "remove the block from the index's settings"}},
	{"", []string{"no write index is defined for alias"}, noWriteIndex},
	{"", []string{"can't execute a single index op"}, noWriteIndex},
	{"", []string{"no matching index template found for data stream"}, sink.Trouble{Kind: sink.Missing, Target: "data stream", What: "has no index template for %s", Want: "create an index template with data_stream"}},
	{"", []string{"only write ops with an op_type of create are allowed in data streams"}, sink.Trouble{Kind: sink.Misconfigured, Target: "data stream", What: "takes only create for %s", Want: "set the output's write_operation to create"}},
	{"", []string{"pipeline with id [", "does not exist"}, sink.Trouble{Kind: sink.Missing, What: "has no such ingest pipeline", Want: "create the ingest pipeline, or correct the option pipeline"}},
	{"", []string{"Number of documents in the index can't exceed"}, sink.Trouble{Kind: sink.Misconfigured, What: "has too many documents in %s", Want: "roll the index over"}},
	{"", []string{"maximum", "shards open"}, sink.Trouble{Kind: sink.ShardLimit, What: "has reached its shard limit", Want: "delete old indices, or raise cluster.max_shards_per_node"}},
}

// Troubles that several refusals mean.
var (
	closed       = sink.Trouble{Kind: sink.Closed, What: "has closed %s", Want: "open the index"}
	noWriteIndex = sink.Trouble{Kind: sink.Misconfigured, Target: "alias", What: "has no write index for %s", Want: "set is_write_index on one index of the alias"}
)

// argumentTypes are the types of refusals that only their texts tell apart. Refusals that quote a document, which could contain
// any text, have other types.
var argumentTypes = []string{"illegal_argument_exception", "validation_exception", "action_request_validation_exception"}

// repairFor returns what a refusal means that concerns the index or the cluster; nil if it doesn't.
func repairFor(errType, reason string) *sink.Trouble {
	for i := range repairs {
		r := &repairs[i]
		fits := r.errType == errType || r.errType == "" && slices.Contains(argumentTypes, errType)
		for _, text := range r.texts {
			fits = fits && strings.Contains(reason, text)
		}
		if fits {
			return &r.Trouble
		}
	}
	return nil
}

// itemTrouble returns what the refusal of an item for now means; nil if only its reason says that.
func (d *Destination) itemTrouble(it *itemResult, j *judgement) *sink.Trouble {
	switch {
	case j.pressure:
		return &sink.Trouble{Kind: sink.Overloaded, What: "is overloaded (429)", Want: overloadedWant}
	case !j.blocked:
		return nil
	}
	if t := repairFor(it.errType, it.reason); t != nil {
		return t
	}
	t := d.denied(it.status, "")
	return &t
}

// about is t, about an index, an alias or a data stream of that name; "": it isn't known.
func about(t *sink.Trouble, name string) *sink.Trouble {
	of := *t
	switch what := cmp.Or(t.Target, "index"); {
	case t.Kind == sink.Overloaded || t.Kind == sink.ShardLimit:
	case name != "":
		of.Target = what + " " + httpsend.Clip(name, maxIndexName)
	case strings.Contains(t.What, "%s"):
		of.Target = "the " + what
	}
	return &of
}

const overloadedWant = "if it lasts, give the cluster more capacity or the index more primary shards; the router sends one request at a time meanwhile"

// denied is what a 401 or 403 means, of a request or an item.
func (d *Destination) denied(status int, reason string) sink.Trouble {
	signed, serverless := d.signer != nil, d.opts.serverless()
	switch {
	case strings.Contains(reason, "User: anonymous"):
		return sink.Trouble{Kind: sink.Unauthenticated, What: "got an unsigned request (403)", Want: "set aws_auth On and aws_region (in Fluentd, <endpoint>)"}
	case strings.Contains(strings.ToLower(reason), "signature"):
		return sink.Trouble{Kind: sink.Unauthenticated, What: "refused the signature (403)", Want: "correct aws_region, aws_service_name and the host's clock"}
	case status == http.StatusUnauthorized && signed:
		return sink.Trouble{Kind: sink.Unauthenticated, What: "refused the signed request (401)", Want: "map the task role to a role of the domain (fine-grained access control)"}
	case status == http.StatusUnauthorized && !d.signsIn():
		return sink.Trouble{Kind: sink.Unauthenticated, What: "wants credentials, and none are configured (401)", Want: "set the output's user and password, or sign requests for AWS (aws_auth On)"}
	case status == http.StatusUnauthorized:
		return sink.Trouble{Kind: sink.Unauthenticated, What: "refused user and password (401)", Want: "correct the output's user and password"}
	case serverless:
		return sink.Trouble{Kind: sink.AccessDenied, What: "denied access (403)", Want: "check the task role's aoss:APIAccessAll permission and the collection's data access policy"}
	case signed:
		return sink.Trouble{Kind: sink.AccessDenied, What: "denied access (403)", Want: "check the task role's es:ESHttp* permission, the domain's access policy and its role mapping"}
	}
	return sink.Trouble{Kind: sink.AccessDenied, What: "denied access (403)", Want: "give the output's user the permissions indices:data/write/* and indices:admin/create for the index"}
}

// signsIn reports whether requests have credentials other than a signature.
func (d *Destination) signsIn() bool { return d.servers.Clients[0].Secrets }

// requestTrouble returns what the refusal of a whole request means; nil if no more is known than from any server.
func (d *Destination) requestTrouble(f *failure, r *sink.Reply) *sink.Trouble {
	t := repairFor(f.Type, f.Reason)
	switch {
	case t != nil:
		return about(t, "")
	case r.Cause == sink.Throttled:
		return &sink.Trouble{Kind: sink.Overloaded, What: "is overloaded (" + strconv.Itoa(f.Status) + ")", Want: overloadedWant}
	case r.Cause == sink.Unauthorised:
		t := d.denied(f.Status, f.Reason)
		return &t
	}
	return nil
}

// noCredentials is what an attempt means that can't be signed.
var noCredentials = sink.Trouble{Kind: sink.Unauthenticated, What: "gets no requests: there are no AWS credentials to sign them", Want: "give the task a role (taskRoleArn)"}

// notBulk is what a reply means that doesn't answer a bulk request.
var notBulk = sink.Trouble{Kind: sink.Misconfigured, What: "doesn't answer as to a bulk request", Want: "correct host, port and path; what stands there may be a proxy or another service"}
