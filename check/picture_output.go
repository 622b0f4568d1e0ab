package check

import (
	"net/url"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/sink"
)

// address is where requests go.
func address(to *sink.Description) string {
	if to.URL != "" && len(to.Servers) < 2 {
		return withPort(to.URL)
	}
	var list []string
	scheme, _, isURL := strings.Cut(to.URL, "://")
	for _, s := range to.Servers {
		kind := "tcp "
		switch {
		case isURL:
			kind = scheme + "://"
		case s.UDP:
			kind = "udp "
		}
		list = append(list, kind+s.Address())
	}
	if to.URL != "" {
		list[0] = to.URL
	}
	return strings.Join(list, ", or ")
}

// withPort is a URL of HTTP without TLS with its port, also if that is the default.
func withPort(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.Port() != "" {
		return text
	}
	// The port comes at the end of the authority, whatever else has the host's name: the scheme, the user, the path.
	from := strings.Index(text, "://") + len("://")
	to := from + len(text[from:])
	if end := strings.IndexAny(text[from:], "/?#"); end >= 0 {
		to = from + end
	}
	return text[:to] + ":80" + text[to:]
}

// tls says whether connections are encrypted.
func tls(servers []sink.Server) string {
	with, verified := 0, 0
	for _, s := range servers {
		if s.TLS {
			with++
		}
		if s.TLS && s.Verify {
			verified++
		}
	}
	switch {
	case with == 0:
		return "no: anybody on the way can read and change what is sent"
	case with < len(servers):
		return "not to all servers"
	case verified < with:
		return "yes, but the certificate is not verified"
	}
	return "yes, the certificate is verified"
}

// awslogsDefault is the mode of log drivers other than awsfirelens unless mode is set ("LogConfiguration" in the Amazon ECS API
// reference), and the agent's own default of max-buffer-size.
const awslogsDefault = "non-blocking (the default since June 2025, unless the account setting defaultLogDriverMode is blocking): the container never waits, and what exceeds 10 MiB of waiting lines is dropped"

// beside says where the lines of a container go that doesn't use the router: whose they are, and where.
func (s *Subject) beside(c *taskdef.Container) (whose, text string) {
	whose = c.Name.Text + " (not through the router)"
	if c.FireLens != nil {
		whose = c.Name.Text + "'s own log"
	}
	if c.Log == nil || c.Log.Driver.Text == "" {
		return whose, "no log driver is set: what it writes " + s.withoutDriver("stays", "is")
	}
	text = "log driver " + c.Log.Driver.Text
	for _, name := range []string{"awslogs-group", "splunk-url", "fluentd-address", "gelf-address", "syslog-address"} {
		if o, ok := taskdef.Find(c.Log.Options, name); ok {
			text += ", " + name + " " + o.Text
		}
	}
	o, ok := taskdef.Find(c.Log.Options, "mode")
	switch {
	case ok && o.Text == "blocking":
		return whose, text + ", mode blocking: the container waits when its lines can't be sent"
	case ok:
		return whose, text + ", mode " + o.Text
	}
	return whose, text + ", mode " + awslogsDefault
}

// signIn is a way to sign in as a person should read it: with where the password comes from, or that there is none.
func (s *Subject) signIn(o *config.Output, text string) string {
	for _, l := range logins {
		user, ok := o.Find(l[0])
		if !ok || user.Unknown || !strings.Contains(text, "user "+user.Value+" and password") {
			continue
		}
		instead := ", with an empty password"
		if password, given := o.Find(l[1]); given && !password.Unknown {
			instead = s.password(&password)
		}
		return strings.Replace(text, " and password", instead, 1)
	}
	return text
}

// password says for people where the value of an option for a password comes from.
func (s *Subject) password(g *config.Given) string {
	if strings.Contains(strings.ToLower(s.Place(g.Pos).Path), ".secretoptions[") {
		return " and the password from the secret for the option " + g.Name
	}
	line, _ := s.lineAt(s.Place(g.Pos).Pos)
	switch fromVariable := strings.Contains(line, "${") || strings.Contains(line, "ENV["); {
	case s.unset()[g.Pos] && s.Task != nil:
		return ", with an empty password, since its variable is not set"
	case s.unset()[g.Pos]:
		return " and the password from a variable that is not set here"
	case g.Value == "" && fromVariable:
		return " and the password from a variable"
	case g.Value == "":
		return ", with an empty password"
	}
	return " and password"
}

// metadataFields are what ECS adds to records (enable-ecs-log-metadata).
var metadataFields = []string{"ec2_instance_id", "ecs_cluster", "ecs_task_arn", "ecs_task_definition"}

// metadata are the fields of ECS's metadata that a filter adds; none if it does anything else. Their values in a report would be
// examples, since only the task has them.
func metadata(f *config.Filter) (names []string) {
	for _, g := range f.Given {
		name, isField := strings.CutPrefix(g.Name, "record.")
		if strings.EqualFold(g.Name, "Record") {
			name, _, _ = strings.Cut(g.Value, " ")
			isField = true
		}
		switch {
		case slices.Contains([]string{"name", "match", "@type"}, strings.ToLower(g.Name)):
		case isField && slices.Contains(metadataFields, name):
			names = append(names, name)
		default:
			return nil
		}
	}
	return names
}
