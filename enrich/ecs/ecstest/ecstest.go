// Package ecstest has stand-ins of the ECS agent's endpoints.
package ecstest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
)

// An Agent answers as the ECS agent: "Amazon ECS container agent introspection" and "Amazon ECS task metadata endpoint version 4"
// in the Amazon ECS Developer Guide. The task's second container begins to be known with Start.
type Agent struct {
	*httptest.Server
	Requests atomic.Int64

	mu      sync.Mutex
	started bool
	noAgent bool
	down    bool
	held    chan struct{} // nil: answers are not held back
}

// Ids of the task's containers.
const (
	WebID = "79c796ed2a7f864f485c76f83f3165488097279d296a7c05bd5201a1c69b2920"
	AppID = "0206b271b0335fe6a3f7a7a6b1b3a3e1f2a4c6d8e0f1a2b3c4d5e6f708192a3b"
)

// TaskID is the task's id. The images are those of its containers.
const (
	TaskID   = "158d1c8083dd49d6b527399fd6414f5c"
	WebImage = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:7"
	AppImage = "app:latest"
)

// New starts an Agent, with the introspection endpoint or, as on Fargate, without it. The caller closes it.
func New(introspection bool) *Agent {
	a := &Agent{noAgent: !introspection}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	return a
}

// TaskEndpoint is the value of ECS_CONTAINER_METADATA_URI_V4.
func (a *Agent) TaskEndpoint() string { return a.URL + "/v4/3c4d5e6f-1" }

// Start makes the second container known.
func (a *Agent) Start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.started = true
}

// SetDown has requests answered with 503, or not any more.
func (a *Agent) SetDown(down bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = down
}

// Hold holds all answers back until release is called.
func (a *Agent) Hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := make(chan struct{})
	a.held = held
	return sync.OnceFunc(func() { close(held) })
}

func (a *Agent) state() (down bool, held chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.down, a.held
}

func (a *Agent) containers() []map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []map[string]string{{"DockerId": WebID, "DockerName": "ecs-fam-2-web-9ac0", "Name": "web", "Image": WebImage}}
	if a.started {
		all = append(all, map[string]string{"DockerId": AppID, "DockerName": "ecs-fam-2-app-b1c2", "Name": "app", "Image": AppImage})
	}
	return all
}

func (a *Agent) serve(w http.ResponseWriter, r *http.Request) {
	a.Requests.Add(1)
	down, held := a.state()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	if down {
		http.Error(w, "", http.StatusServiceUnavailable)
		return
	}
	reply := map[string]any{"Family": "fam", "Containers": a.containers(), "DesiredStatus": "RUNNING"}
	switch {
	case r.Method != http.MethodGet:
		http.Error(w, "", http.StatusMethodNotAllowed)
		return
	case r.URL.IsAbs(): // as to a proxy
		http.Error(w, "", http.StatusBadRequest)
		return
	case r.URL.Path == "/v4/3c4d5e6f-1/task":
		reply["Cluster"], reply["TaskARN"] = "arn:aws:ecs:eu-west-1:123456789012:cluster/demo", "arn:aws:ecs:eu-west-1:123456789012:task/demo/"+TaskID
		reply["Revision"], reply["LaunchType"], reply["AvailabilityZone"], reply["ServiceName"] = "2", "FARGATE", "eu-west-1a", "web"
	case a.noAgent:
		http.NotFound(w, r)
		return
	case r.URL.Path == "/v1/metadata":
		reply = map[string]any{
			"Cluster": "demo", "ContainerInstanceArn": "arn:aws:ecs:eu-west-1:123456789012:container-instance/demo/f1a2",
			"Version": "Amazon ECS Agent - v1.30.0 (02ff320c)",
		}
	case r.URL.Path == "/v1/tasks" && a.knows(r.URL.Query().Get("dockerid")):
		reply["Arn"], reply["Version"] = "arn:aws:ecs:eu-west-1:123456789012:task/demo/158d1c8083dd49d6b527399fd6414f5c", "2"
	default:
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(reply)
}

func (a *Agent) knows(id string) bool {
	for _, c := range a.containers() {
		if len(id) >= 12 && strings.HasPrefix(c["DockerId"], id) {
			return true
		}
	}
	return false
}
