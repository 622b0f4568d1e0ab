package servers

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// T is what a test offers to the functions that end it if they fail.
type T interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
	TempDir() string
}

// MotoEnv are credentials and a region for clients of Moto, which checks neither, in the environment.
func MotoEnv() []string {
	return []string{"AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1"}
}

// Moto starts moto, an independent implementation of AWS's services, and returns its URL. env are variables such as
// MOTO_ECS_NEW_ARN=true. It is killed when the test ends.
func Moto(t T, env ...string) (url string) {
	t.Helper()
	port, err := FreePort(5600, 5699)
	if err != nil {
		t.Fatal(err)
	}
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	cmd := exec.Command(motoCommand("moto_server"), "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	cmd.Env = append(cmd.Environ(), env...)
	p, err := start(filepath.Join(t.TempDir(), "moto.log"), cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	err = p.ready(time.Minute, func() bool {
		resp, err := http.Get(url + "/moto-api/data.json")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// Boto runs a Python program that has boto3, AWS's own client, and returns what it prints.
func Boto(t T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(motoCommand("python"), append([]string{"-c", program}, args...)...)
	cmd.Env = append(cmd.Environ(), MotoEnv()...)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("running Python: %w\n%s", err, log.String()))
	}
	return string(out)
}

// motoCommand is a program that e2e/setup has installed with moto.
func motoCommand(name string) string { return filepath.Join(cache(), "moto", "bin", name) }

// Lint checks a template of CloudFormation by the resource types' own schemas. moto depends on the program, so e2e/setup has
// installed it, too.
func Lint(file string) error {
	out, err := exec.Command(motoCommand("cfn-lint"), file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cfn-lint %s: %w\n%s", file, err, out)
	}
	return nil
}
