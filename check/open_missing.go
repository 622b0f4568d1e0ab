package check

import (
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// clientFiles are options for a client's certificate and for its key: one without the other is a mistake.
var clientFiles = []string{"tls.crt_file", "tls.key_file", "client_cert", "client_key", "tls_client_cert_path", "tls_client_private_key_path", "tls_private_key_path",
	"rdkafka.ssl.certificate.location", "rdkafka.ssl.key.location", "ssl_client_cert", "ssl_client_cert_key", "cert", "key"}

// goesWith reports whether an option is left out, too, if another one of the same output is.
func goesWith(name, other string) bool {
	return slices.Contains(clientFiles, strings.ToLower(name)) && slices.Contains(clientFiles, strings.ToLower(other))
}

// missing leaves out an option that names a file in the container which isn't here, such as a certificate: of a container's log options,
// or of a local copy. They don't change where records go, so that all else is checked. Files of the configuration itself stay errors, with
// the way to name a copy of them.
func (t *taskOpener) missing(e config.Diagnostic, at taskdef.Place, files map[string]string) {
	const notHere = "the file is in the container and not here: it is not checked"
	for _, c := range t.Task.Containers {
		if c.Log == nil {
			continue
		}
		if i := slices.IndexFunc(c.Log.Options, func(o taskdef.Option) bool { return o.Place == at }); i >= 0 {
			t.leave(at, taskdef.Assumed, notHere)
			for _, o := range c.Log.Options {
				if goesWith(c.Log.Options[i].Name, o.Name) {
					t.leave(o.Place, taskdef.Assumed, notHere)
				}
			}
			return
		}
	}
	text, isCopy := files[e.File]
	if !isCopy || e.Line < 1 {
		return
	}
	lines := strings.SplitAfter(text, "\n")
	if e.Line > len(lines) {
		return
	}
	if name := nameIn(lines[e.Line-1]); slices.ContainsFunc(fileOptions, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
		for i := range lines {
			if i == e.Line-1 || goesWith(name, nameIn(lines[i])) && sameSection(lines, i, e.Line-1) {
				lines[i] = lines[i][len(strings.TrimRight(lines[i], "\r\n")):]
			}
		}
		files[e.File] = strings.Join(lines, "")
		t.leave(at, taskdef.Assumed, notHere)
		return
	}
	if !t.hinted[at] {
		t.hinted[at] = true
		t.tell(at, taskdef.Told, "a file of the container that isn't here; want another check with --config-file PATH=FILE, where FILE is a local copy")
	}
}

// fileOptions are what options for certificates and the like begin with.
var fileOptions = []string{"tls.", "tls_", "ca_", "client_", "rdkafka.ssl.", "ssl_", "cabundle", "label_map_path", "bearer_token_file"}

// nameIn is the name of the option in a line of a configuration, in lower case.
func nameIn(line string) string {
	name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), " ")
	return strings.TrimSuffix(name, ":")
}

// sameSection reports whether no section begins or ends between two lines.
func sameSection(lines []string, a, b int) bool {
	for _, line := range lines[min(a, b)+1 : max(a, b)] {
		if line = strings.TrimSpace(line); line != "" && strings.IndexByte("[<-", line[0]) >= 0 {
			return false
		}
	}
	return true
}
