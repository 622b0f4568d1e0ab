// Package kubetest has a strict stand-in of the Kubernetes API server.
package kubetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
)

// Token is what a request must have, as Authorization: Bearer (Kubernetes documentation, "Authenticating": service account
// tokens).
const Token = "token-of-the-account"

// A Server knows one pod, and lists it as the kubelet does.
type Server struct {
	*httptest.Server
	Requests atomic.Int64
	Status   atomic.Int64 // of all replies; 0: as usual
	Hang     atomic.Bool
}

// Pod and Namespace are what it says.
const (
	Pod = `{"kind":"Pod","metadata":{"name":"web-5d4b8c7f9-abcde","namespace":"shop","uid":"11111111-2222-3333-4444-555555555555",` +
		`"labels":{"app":"web"},"annotations":{"fluentbit.io/parser":"mine","fluentbit.io/exclude_stderr-nginx":"true"},` +
		`"ownerReferences":[{"kind":"ReplicaSet","name":"web-5d4b8c7f9","controller":true}]},` +
		`"spec":{"nodeName":"node-1"},"status":{"podIP":"10.1.2.3","containerStatuses":[{"name":"other","image":"x","imageID":"y"},` +
		`{"name":"nginx","image":"docker.io/library/nginx:1.25","imageID":"docker-pullable://nginx@sha256:bbbb"}]}}`
	Namespace = `{"kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a"},"annotations":{"an":"b"}}}`
)

// New starts a Server; the caller closes it.
func New(tls bool) *Server {
	s := &Server{}
	h := http.HandlerFunc(s.serve)
	if tls {
		s.Server = httptest.NewTLSServer(h)
	} else {
		s.Server = httptest.NewServer(h)
	}
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.Requests.Add(1)
	if s.Hang.Load() {
		<-r.Context().Done()
		return
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case s.Status.Load() != 0:
		w.WriteHeader(int(s.Status.Load()))
	case !ok || token != Token:
		http.Error(w, `{"kind":"Status","code":401}`, http.StatusUnauthorized)
	case r.Method != http.MethodGet:
		http.Error(w, `{"kind":"Status","code":405}`, http.StatusMethodNotAllowed)
	case r.URL.Path == "/api/v1/namespaces/shop/pods/web-5d4b8c7f9-abcde":
		fmt.Fprint(w, Pod)
	case r.URL.Path == "/api/v1/namespaces/shop":
		fmt.Fprint(w, Namespace)
	case r.URL.Path == "/pods":
		fmt.Fprint(w, `{"kind":"PodList","items":[{"metadata":{"name":"a","namespace":"b"}},`+Pod+`]}`)
	default:
		http.Error(w, `{"kind":"Status","code":404}`, http.StatusNotFound)
	}
}
