package bulk

import (
	"net/http"
	"slices"
	"strings"
)

// repairs are refusals that concern the item's index, not the record, with what a person can do about them. A refusal matches
// if it has the type ("": one of argumentTypes), and all of the texts in its reason.
var repairs = []struct {
	errType string
	texts   []string
	repair  string
}{
	{"index_not_found_exception", []string{"auto_create_index"}, "create the index, or allow it in action.auto_create_index"},
	{"index_not_found_exception", []string{"forbids index auto creation"}, "create the index, or allow it in its template (allow_auto_create)"},
	{"index_not_found_exception", []string{"is not an alias"}, "create the alias"},
	{"index_not_found_exception", []string{"is not a data stream"}, "create the data stream"},
	{"index_not_found_exception", nil, "create the index"},
	{"index_closed_exception", nil, "open the index"},
	{"index_create_block_exception", nil, "free disk space on the cluster, or remove cluster.blocks.create_index"},
	{"cluster_block_exception", []string{"/12/"}, "free disk space on the cluster"},
	{"cluster_block_exception", []string{"index closed"}, "open the index"},
	{"cluster_block_exception", nil, "remove the block from the index's settings (index.blocks)"},
	{"", []string{"no write index is defined for alias"}, "set is_write_index on one index of the alias"},
	{"", []string{"can't execute a single index op"}, "set is_write_index on one index of the alias"},
	{"", []string{"no matching index template found for data stream"}, "create an index template with data_stream"},
	{"", []string{"only write ops with an op_type of create are allowed in data streams"}, "set the output's write operation to create"},
	{"", []string{"pipeline with id [", "does not exist"}, "create the ingest pipeline"},
	{"", []string{"Number of documents in the index can't exceed"}, "roll the index over"},
	{"", []string{"maximum", "shards open"}, "delete indices, or raise cluster.max_shards_per_node"},
}

// argumentTypes are the types of refusals that only their texts tell apart. Refusals that quote a document, which could contain
// any text, have other types.
var argumentTypes = []string{"illegal_argument_exception", "validation_exception", "action_request_validation_exception"}

// repairFor returns what a person can do about a refusal that concerns the index; "" if it doesn't.
func repairFor(errType, reason string) string {
	for i := range repairs {
		r := &repairs[i]
		fits := r.errType == errType || r.errType == "" && slices.Contains(argumentTypes, errType)
		for _, text := range r.texts {
			fits = fits && strings.Contains(reason, text)
		}
		if fits {
			return r.repair
		}
	}
	return ""
}

// repairOf returns what a person can do about an item that is blocked: by its index, or for want of a permission.
func repairOf(it *itemResult) string {
	if it.status == http.StatusUnauthorized || it.status == http.StatusForbidden && it.errType != "cluster_block_exception" && it.errType != "index_create_block_exception" {
		return "give the output's user the permission to write to the index"
	}
	return repairFor(it.errType, it.reason)
}
