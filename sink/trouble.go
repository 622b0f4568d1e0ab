package sink

import "strings"

// A Trouble says in words why a destination takes no records for now, or none for one of its targets. The router's log makes
// a sentence of it: the service's name, What, Target, how many records wait, and Want.
type Trouble struct {
	Kind   Kind
	What   string // what happened, to follow the service's name: "denied access (403)", "has closed %s"
	Target string // the part of the destination that it is about, such as "index web-2026-11-25", for %s; "": all of it
	Want   string // what a person can do; "": nothing, it ends by itself
}

// Text is What and Target: "has closed index web-2026-11-25".
func (t *Trouble) Text() string {
	before, after, within := strings.Cut(t.What, "%s")
	switch {
	case within:
		return before + t.Target + after
	case t.Target != "":
		return before + ", " + t.Target
	}
	return before
}

// A Kind tells troubles apart for alarms: it is the field trouble of the log's lines.
type Kind string

// The kinds of trouble.
const (
	Unreachable     Kind = "unreachable"     // no connection, or no answer
	Overloaded      Kind = "overloaded"      // 429 and the like
	Failing         Kind = "failing"         // it answers with errors of its own
	Refusing        Kind = "refusing"        // it refuses records for now, and only its answer says why
	AccessDenied    Kind = "access_denied"   // it knows the credentials, which may not write
	Unauthenticated Kind = "unauthenticated" // it doesn't accept the credentials, or got none
	DiskFull        Kind = "disk_full"
	ShardLimit      Kind = "shard_limit"
	ReadOnly        Kind = "read_only" // an index, for instance
	Closed          Kind = "closed"
	Missing         Kind = "missing"       // an index, stream, bucket or topic doesn't exist
	Misconfigured   Kind = "misconfigured" // as the target is set up, it can't take these records
)

// NeedsPerson reports whether a trouble of this kind ends only when somebody does something: it is logged as an error from
// the start.
func (k Kind) NeedsPerson() bool {
	switch k {
	case AccessDenied, Unauthenticated, DiskFull, ShardLimit, ReadOnly, Closed, Missing, Misconfigured:
		return true
	}
	return false
}
