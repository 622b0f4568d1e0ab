package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// A user of OpenSearch's security plugin has no rights on one index of two: the other one's records arrive meanwhile, and
// the first one's when the rights are given. Each arrives once.
func TestAnIndexWithoutRightsHoldsUpNoOther(t *testing.T) {
	search := secureSearch(t)
	const (
		api  = "/_plugins/_security/api/"
		role = `{"cluster_permissions":["cluster_composite_ops","cluster_monitor"],
			"index_permissions":[{"index_patterns":[%s],"allowed_actions":["crud","create_index"]}]}`
		n = 20_000
	)
	must(t)(search.Do("PUT", api+"roles/router", fmt.Sprintf(role, `"web-allowed"`)))
	must(t)(search.Do("PUT", api+"internalusers/router", `{"password":"a-Long-passw0rd-1177"}`))
	must(t)(search.Do("PUT", api+"rolesmapping/router", `{"users":["router"]}`))
	p := startByField(t, fmt.Sprintf(`    Host %s
    Port %d
    HTTP_User router
    HTTP_Passwd a-Long-passw0rd-1177
    tls On
    tls.verify On
    tls.ca_file %s
`, servers.SecureHost, search.Port, search.CAFile()))
	for range n / 1000 {
		p.sendTo(t, "web-allowed", 1000)
		p.sendTo(t, "web-forbidden", 1000)
	}
	holds(t, search, "web-allowed", n, 2*time.Minute)
	p.says(t, "denied access (403), index web-forbidden: ", 10*time.Second)
	must(t)(search.Do("PUT", api+"roles/router", fmt.Sprintf(role, `"web-allowed","web-forbidden"`)))
	holds(t, search, "web-forbidden", n, 2*time.Minute)
	if peak := p.peak(t); peak > 50 {
		t.Errorf("firelane used %.0f MiB", peak)
	}
	p.endsWith(t, fmt.Sprintf(`"delivered":%d`, 2*n), `"dead_lettered":0`, `"buffered":0`)
	holds(t, search, "web-*", 2*n, 0)
}

// secureSearch is a running OpenSearch with its security plugin, with no indices. It runs as nobody, who must reach its folder.
func secureSearch(t *testing.T) *servers.Search {
	t.Helper()
	if world.secure == nil {
		world.secure = startSecure(t)
	}
	for _, path := range []string{"/web-*", "/_index_template/web*", "/_index_template/firelane-*"} {
		_, _ = world.secure.Do("DELETE", path, "") // there may be none
	}
	return world.secure
}

func startSecure(t *testing.T) *servers.Search {
	t.Helper()
	dir := filepath.Join(world.dir, "secure")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(world.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	search, err := servers.StartSecureSearch(dir)
	if err != nil {
		t.Fatal(err)
	}
	return search
}
