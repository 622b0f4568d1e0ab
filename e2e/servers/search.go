package servers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A Kind is a version of a search server.
type Kind struct {
	Name string // also the name of its folder in the cache
	main string // Java class
	java string // name of the link to the Java runtime in the cache
}

// Kinds returns the servers that every release is tested with, oldest first.
func Kinds() []Kind {
	return []Kind{Elasticsearch7(), OpenSearch2(), OpenSearch3()}
}

// Elasticsearch7 is Elasticsearch 7.10.2, the last version under a free licence and the oldest that AWS offers widely.
func Elasticsearch7() Kind {
	return Kind{Name: "elasticsearch-7.10.2", java: "java17",
		main: "org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner"}
}

// OpenSearch2 is OpenSearch 2.19.1.
func OpenSearch2() Kind {
	return Kind{Name: "opensearch-2.19.1", java: "java17",
		main: "org.codelibs.opensearch.runner.OpenSearchRunner"}
}

// OpenSearch3 is OpenSearch 3.5.0.
func OpenSearch3() Kind {
	return Kind{Name: "opensearch-3.5.0", java: "java21",
		main: "org.codelibs.opensearch.runner.OpenSearchRunner"}
}

// SecureOpenSearch2 is OpenSearch 2.19.1 with its security plugin: TLS, users and roles. The user admin has the password
// admin, and all rights.
func SecureOpenSearch2() Kind {
	return Kind{Name: "opensearch-2.19.1-security", java: "java17", main: "org.opensearch.bootstrap.OpenSearch"}
}

// Installed reports whether e2e/setup has installed the server.
func (k Kind) Installed() bool {
	_, err := os.Stat(filepath.Join(cache(), k.Name))
	return err == nil
}

// JavaInstalled reports whether e2e/setup has found or installed the Java that the server runs on.
func (k Kind) JavaInstalled() bool {
	_, err := os.Stat(filepath.Join(cache(), k.java, "bin/java"))
	return err == nil
}

// Search is a running search server of one node.
type Search struct {
	*Process
	Kind
	Port int
	dir  string
	http http.Client

	user, password string // of a secure server
}

// startLimit is how long a search server's start may take. With one core to itself it takes about 10 s.
const startLimit = 3 * time.Minute

// StartSearch starts a server with a heap of at most 1 GiB. Its data is in dir, and is reused if there is any. port 0 means a free
// one.
func StartSearch(kind Kind, dir string, port int) (*Search, error) {
	var err error
	if port == 0 {
		// The runners accept no port outside this range.
		if port, err = FreePort(9201, 9299); err != nil {
			return nil, err
		}
	}
	home := filepath.Join(cache(), kind.Name)
	if !kind.Installed() {
		return nil, fmt.Errorf("%s is not installed: run e2e/setup", kind.Name)
	}
	cmd := exec.Command(filepath.Join(cache(), kind.java, "bin/java"),
		"-Xms512m", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-cp", home+"/*", kind.main,
		"-basePath", filepath.Join(dir, "node"), "-numOfNode", "1", "-clusterName", "firelane-"+kind.Name, // of its own, so that servers that run side by side are no cluster
		"-baseHttpPort", strconv.Itoa(port-1))
	cmd.Dir = dir
	p, err := start(filepath.Join(dir, kind.Name+".log"), cmd)
	if err != nil {
		return nil, err
	}
	s := &Search{Process: p, Kind: kind, Port: port, dir: dir}
	s.http.Timeout = time.Minute
	if err := p.ready(startLimit, s.healthy); err != nil {
		return nil, err
	}
	// The tests must not depend on how full the machine's disk is.
	_, err = s.Do("PUT", "/_cluster/settings", `{"transient":{"cluster.routing.allocation.disk.threshold_enabled":false}}`)
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Search) healthy() bool {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(s.URL() + "/_cluster/health")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// Stop ends the server, and leaves its data in its folder.
func (s *Search) Stop() {
	s.http.CloseIdleConnections()
	s.Process.Stop(10 * time.Second)
}

// URL returns the server's base URL.
func (s *Search) URL() string {
	if s.user != "" {
		return fmt.Sprintf("https://%s:%d", SecureHost, s.Port)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", s.Port)
}

// overloadedFor bounds the time in which a request is made again because the server's memory is short (429, a circuit
// breaker): on a small machine it frees some within seconds.
const overloadedFor = 30 * time.Second

// Do makes a request with a JSON body, which may be empty, and returns the reply's body. A status of 300 or more is an error
// that includes the body.
func (s *Search) Do(method, path, body string) ([]byte, error) {
	for start := time.Now(); ; time.Sleep(time.Second) {
		status, reply, err := s.do(method, path, body)
		if status != http.StatusTooManyRequests || time.Since(start) > overloadedFor {
			return reply, err
		}
	}
}

func (s *Search) do(method, path, body string) (status int, reply []byte, err error) {
	req, err := http.NewRequest(method, s.URL()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	reply, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %d: %s", method, path, resp.StatusCode, reply)
	}
	return resp.StatusCode, reply, err
}

// Count returns the number of documents in the indices that match the pattern, 0 if there is no such index.
func (s *Search) Count(pattern string) (int, error) {
	if _, err := s.Do("POST", "/"+pattern+"/_refresh?ignore_unavailable=true", ""); err != nil {
		return 0, err
	}
	answer, err := s.Do("GET", "/"+pattern+"/_count?ignore_unavailable=true", "")
	if err != nil {
		return 0, err
	}
	var reply struct{ Count int }
	err = json.Unmarshal(answer, &reply)
	return reply.Count, err
}

// A Document is one hit of a search.
type Document struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// Documents returns all documents in the indices that match the pattern, in no particular order.
func (s *Search) Documents(pattern string) ([]Document, error) {
	if _, err := s.Do("POST", "/"+pattern+"/_refresh", ""); err != nil {
		return nil, err
	}
	var docs []Document
	path, body := "/"+pattern+"/_search?scroll=1m", `{"size":500,"sort":["_doc"]}`
	for {
		answer, err := s.Do("POST", path, body)
		if err != nil {
			return nil, err
		}
		var page struct {
			ScrollID string `json:"_scroll_id"`
			Hits     struct{ Hits []Document }
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return nil, err
		}
		scroll := fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, page.ScrollID)
		if len(page.Hits.Hits) == 0 {
			_, err := s.Do("DELETE", "/_search/scroll", fmt.Sprintf(`{"scroll_id":%q}`, page.ScrollID))
			return docs, err
		}
		docs = append(docs, page.Hits.Hits...)
		path, body = "/_search/scroll", scroll
	}
}
