package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// A source asks the API server, or the node's kubelet.
type source struct {
	o      Options
	log    zerolog.Logger
	parser func(name string) *parse.Parser // returns nil if there is none of that name
}

// fetch makes one attempt to get the metadata of the pod of a key.
func (s *source) fetch(ctx context.Context, key string, last pod) (pod, bool) {
	part := strings.Split(key, "\x00")
	is := &identity{namespace: part[0], pod: part[1], container: part[2], id: part[3]}
	if !isName(is.namespace) || !isName(is.pod) {
		return last, true
	}
	var fields []enrich.Field
	next := pod{}
	var err error
	if !s.o.NSOnly {
		var document []byte
		if document, err = s.pod(ctx, is); err == nil {
			fields = append(fields, enrich.Field{Name: "kubernetes", Value: s.boundedFields(is, document)})
			s.readAnnotations(&next, is, document)
		}
	}
	if err == nil && (s.o.NSLabels || s.o.NSNotes) {
		var document []byte
		if document, err = s.get(ctx, "/api/v1/namespaces/"+is.namespace, is.namespace+".namespace_meta"); err == nil {
			if value := s.namespaceFields(is, document); len(value) <= maxFields {
				fields = append(fields, enrich.Field{Name: "kubernetes_namespace", Value: value})
			}
		}
	}
	if err != nil {
		s.log.Warn().Err(err).Str("namespace", is.namespace).Str("pod", is.pod).
			Msg("kubernetes: the pod's metadata can't be fetched: its records pass without it, and it is fetched again later")
		return last, false
	}
	if len(fields) > 0 {
		next.fields = enrich.NewFields(fields)
	}
	return next, true
}

// maxName is the maximum length of the name of a pod or namespace in Kubernetes, in bytes.
const maxName = 253

// isName reports whether a text may be the name of a pod or namespace. Tags come from clients, and names become part of a URL.
func isName(text string) bool {
	return len(text) > 0 && len(text) <= maxName && !strings.HasPrefix(text, ".") &&
		!strings.ContainsFunc(text, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' })
}

// pod gets the pod's document, as MessagePack.
func (s *source) pod(ctx context.Context, is *identity) ([]byte, error) {
	path := "/api/v1/namespaces/" + is.namespace + "/pods/" + is.pod
	if !s.o.Kubelet {
		return s.get(ctx, path, is.namespace+"_"+is.pod+".meta")
	}
	list, err := s.get(ctx, "/pods", is.namespace+"_"+is.pod+".meta")
	if err != nil {
		return nil, err
	}
	items, _ := record.Find(list, "items")
	n, rest, _ := record.ArrayHeader(items)
	for ; n > 0; n-- {
		after, err := record.Skip(rest)
		if err != nil {
			break
		}
		if one := rest[:len(rest)-len(after)]; text(one, "metadata", "name") == is.pod && text(one, "metadata", "namespace") == is.namespace {
			return one, nil
		}
		rest = after
	}
	return nil, errors.New("the kubelet doesn't know the pod")
}

// get gets a document from the server, or from the folder kube_meta_preload_cache_dir.
func (s *source) get(ctx context.Context, path, file string) ([]byte, error) {
	limit := int64(s.o.BufferSize)
	if limit <= 0 || limit > maxReply || s.o.Kubelet {
		limit = maxReply
	}
	if s.o.PreloadDir != "" {
		if b, err := os.ReadFile(filepath.Join(s.o.PreloadDir, file)); err == nil && int64(len(b)) <= maxReply {
			return record.AppendFromJSON(nil, b)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	client, err := s.o.client()
	if err != nil {
		return nil, err
	}
	base := s.o.URL
	if s.o.Kubelet {
		u := url.URL{Scheme: "https", Host: net.JoinHostPort(s.o.KubeletHost, strconv.Itoa(s.o.KubeletPort))}
		base = u.String()
	}
	var headers []string
	if token, err := os.ReadFile(s.o.TokenFile); err == nil && len(token) <= maxToken {
		headers = []string{"Authorization", "Bearer " + strings.TrimSpace(string(token))}
	}
	b, err := client.Do(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path, limit, headers...)
	if status := fetch.StatusOf(err); status == http.StatusUnauthorized || status == http.StatusForbidden {
		return nil, fmt.Errorf("%w: the service account needs get on pods and namespaces (kube_token_file %s)", err, s.o.TokenFile)
	}
	if err != nil {
		return nil, err
	}
	return record.AppendFromJSON(nil, b)
}

// find returns the value at a path of names in a document.
func find(document []byte, path ...string) ([]byte, bool) {
	ok := len(document) > 0
	for _, name := range path {
		if !ok {
			break
		}
		document, ok = record.Find(document, name)
	}
	return document, ok
}

func text(document []byte, path ...string) string {
	value, _ := find(document, path...)
	s, _ := record.Text(value)
	return string(s)
}

// A members builds a map in MessagePack.
type members struct {
	n int
	b []byte
}

func (m *members) text(name, value string) {
	if value != "" {
		m.n++
		m.b = record.AppendStr(record.AppendStr(m.b, name), value)
	}
}

func (m *members) value(wanted bool, name string, document []byte, path ...string) {
	if value, ok := find(document, path...); wanted && ok {
		m.n++
		m.b = append(record.AppendStr(m.b, name), value...)
	}
}

func (m *members) done() []byte { return append(record.AppendMapHeader(nil, m.n), m.b...) }

// maxFields is the maximum size of the fields of a pod or a namespace, in bytes. It bounds the memory of the cache.
const maxFields = 32 << 10

// boundedFields returns podFields, without annotations, labels and owners if the fields exceed maxFields.
func (s *source) boundedFields(is *identity, document []byte) []byte {
	value := s.podFields(is, document)
	if len(value) <= maxFields {
		return value
	}
	s.log.Warn().Str("namespace", is.namespace).Str("pod", is.pod).Int("bytes", len(value)).Int("limit_bytes", maxFields).
		Msg("kubernetes: the pod's annotations, labels and owners are too long and are left out")
	short := *s
	short.o.Annotations, short.o.Labels, short.o.Owners = false, false, false
	return short.podFields(is, document)
}

// podFields returns the map kubernetes, with its fields in Fluent Bit's order.
func (s *source) podFields(is *identity, document []byte) []byte {
	var m members
	m.text("pod_name", is.pod)
	m.text("namespace_name", is.namespace)
	m.text("pod_id", text(document, "metadata", "uid"))
	m.value(s.o.Labels, "labels", document, "metadata", "labels")
	m.value(s.o.Annotations, "annotations", document, "metadata", "annotations")
	m.value(s.o.Owners, "ownerReferences", document, "metadata", "ownerReferences")
	m.text("host", text(document, "spec", "nodeName"))
	m.text("pod_ip", text(document, "status", "podIP"))
	m.text("container_name", is.container)
	m.text("docker_id", is.id)
	for _, list := range []string{"containerStatuses", "initContainerStatuses"} {
		statuses, _ := find(document, "status", list)
		n, rest, _ := record.ArrayHeader(statuses)
		for ; n > 0 && len(rest) > 0; n-- {
			if text(rest, "name") == is.container {
				hash := text(rest, "imageID")
				if _, after, ok := strings.Cut(hash, "://"); ok { // docker-pullable://
					hash = after
				}
				m.text("container_hash", hash)
				m.text("container_image", text(rest, "image"))
				return m.done()
			}
			var err error
			if rest, err = record.Skip(rest); err != nil {
				break
			}
		}
	}
	return m.done()
}

// namespaceFields returns the map kubernetes_namespace.
func (s *source) namespaceFields(is *identity, document []byte) []byte {
	var m members
	m.text("name", is.namespace)
	m.value(s.o.NSLabels, "labels", document, "metadata", "labels")
	m.value(s.o.NSNotes, "annotations", document, "metadata", "annotations")
	return m.done()
}

// readAnnotations reads fluentbit.io/parser and fluentbit.io/exclude, each also with the suffix _stdout or _stderr, and with
// -CONTAINER, which takes precedence over those for all containers.
func (s *source) readAnnotations(p *pod, is *identity, document []byte) {
	annotations, _ := find(document, "metadata", "annotations")
	for _, stream := range []struct {
		name string
		is   *properties
	}{{"stdout", &p.stdout}, {"stderr", &p.stderr}} {
		for _, suffix := range []string{"", "_" + stream.name, "-" + is.container, "_" + stream.name + "-" + is.container} {
			if v := text(annotations, "fluentbit.io/parser"+suffix); v != "" && s.o.AllowParser {
				stream.is.parser = s.parser(v)
			}
			if v := text(annotations, "fluentbit.io/exclude"+suffix); v != "" && s.o.AllowExclude {
				stream.is.exclude = isOn(v)
			}
		}
	}
}

func isOn(text string) bool {
	switch strings.ToLower(text) {
	case "true", "on", "yes":
		return true
	}
	return false
}
