package ecs

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/firelane/firelane/config"
)

// Limits of the files that variables name.
const (
	// maxInitFiles is how many files the variables may name.
	maxInitFiles = 100
	// maxInitBytes is the largest total size of the objects, in bytes.
	maxInitBytes = 4 << 20
	// initTime is how long fetching all objects may take.
	initTime = 60 * time.Second
)

// objectFolder is where the init image stores the objects that it fetches. Configurations refer to them by these paths; here
// they are files in memory.
const objectFolder = "/init/fluent-bit-init-s3-files/"

// An InitFile is a configuration file that a variable of the init image names.
type InitFile struct {
	Variable string // its name
	Path     string // of a file in the image; "" for an object
	Object   string // ARN of an object in S3; "" for a file
}

// initVariable matches the names of the init image's variables. Like the init image, it matches anywhere in a name.
var initVariable = lazily(`aws_fluent_bit_init_([sS]3|[fF]ile)`)

// InitFiles finds the variables of the init image in an environment ("NAME=value"), for S3 objects and files alike. They are sorted
// by the number at the end of their names; those without a number come last. An empty value is an error, and so are more than
// 100 variables.
func InitFiles(environ []string) ([]InitFile, error) {
	var files []InitFile
	for _, e := range environ {
		name, value, ok := strings.Cut(e, "=")
		kind := initVariable().FindStringSubmatch(name)
		if !ok || kind == nil {
			continue
		}
		if value = strings.TrimSpace(value); value == "" {
			return nil, fmt.Errorf("%s is empty; want the ARN of an object or the path of a file", name)
		}
		f := InitFile{Variable: name, Path: value}
		if strings.EqualFold(kind[1], "s3") {
			f.Path, f.Object = "", value
		}
		files = append(files, f)
	}
	if len(files) > maxInitFiles {
		return nil, fmt.Errorf("%d variables aws_fluent_bit_init_… name files; want at most %d", len(files), maxInitFiles)
	}
	slices.SortFunc(files, func(a, b InitFile) int {
		if byNumber := compareNumbers(number(a.Variable), number(b.Variable)); byNumber != 0 {
			return byNumber
		}
		return strings.Compare(a.Variable, b.Variable)
	})
	return files, nil
}

// number returns the digits at the end of a name, without leading zeros; "" if there are none.
func number(name string) string {
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	if digits == "" {
		return ""
	}
	if n := strings.TrimLeft(digits, "0"); n != "" {
		return n
	}
	return "0"
}

func compareNumbers(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "" || b == "":
		return len(b) - len(a) // none comes last
	case len(a) != len(b):
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// An Init is what the variables of the init image add to a configuration.
type Init struct {
	Files map[string]string // the objects, as files in memory
	After []config.Extra    // what is read after the main file, in this order
	Notes []string          // a line for each variable: what became of it
}

// Fetch fetches the objects from S3, in order, starting in region and following each bucket to its own region. It returns the error of
// the first object that can't be fetched. It takes at most 60 s; the objects may have 512 KiB each, and 4 MiB together.
func Fetch(ctx context.Context, files []InitFile, region string) (*Init, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, initTime, fmt.Errorf("fetching took longer than %s", initTime))
	defer cancel()
	init := &Init{Files: map[string]string{}}
	var store *objects
	total := 0
	for _, f := range files {
		name := f.Path
		if f.Object != "" {
			bucket, key, err := splitARN(f.Object)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Variable, err)
			}
			if store == nil {
				if store, err = newObjects(region); err != nil {
					return nil, err
				}
				defer store.close()
			}
			text, err := store.get(ctx, bucket, key)
			if err != nil {
				return nil, fmt.Errorf("%s: fetching %s: %w", f.Variable, f.Object, err)
			}
			if total += len(text); total > maxInitBytes {
				return nil, fmt.Errorf("%s: the objects are larger than %d MiB in total", f.Variable, maxInitBytes>>20)
			}
			name = objectFolder + path.Base(key)
			if _, taken := init.Files[name]; taken {
				name = "s3://" + bucket + "/" + key
			}
			init.Files[name] = text
			init.Notes = append(init.Notes, fmt.Sprintf("%s: %s is read as %s (%s bytes)", f.Variable, f.Object, name, strconv.Itoa(len(text))))
		} else {
			init.Notes = append(init.Notes, fmt.Sprintf("%s: %s is read after the generated file", f.Variable, name))
		}
		init.After = append(init.After, config.Extra{Name: name, From: f.Variable})
	}
	return init, nil
}

// Local is Fetch for the files in the image only: what can be read without waiting.
func Local(files []InitFile) *Init {
	init := &Init{Files: map[string]string{}}
	for _, f := range files {
		if f.Object == "" {
			init.After = append(init.After, config.Extra{Name: f.Path, From: f.Variable})
		}
	}
	return init
}

// splitARN splits the ARN of an object, arn:aws:s3:::BUCKET/KEY.
func splitARN(text string) (bucket, key string, err error) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "s3" {
		return "", "", fmt.Errorf("%q is not the ARN of an object; want arn:aws:s3:::BUCKET/KEY", text)
	}
	bucket, key, ok := strings.Cut(a.Resource, "/")
	if a.AccountID != "" || !ok || bucket == "" || key == "" || strings.HasSuffix(key, "/") || strings.ContainsAny(bucket, ":*?") {
		return "", "", fmt.Errorf("%q does not name an object in a bucket; want arn:aws:s3:::BUCKET/KEY", text)
	}
	return bucket, key, nil
}

// ObjectPath returns the path that an object has in the router, by its ARN.
func ObjectPath(arn string) (string, error) {
	_, key, err := splitARN(arn)
	if err != nil {
		return "", err
	}
	return objectFolder + path.Base(key), nil
}

// lazily compiles an expression when it is first needed, and not at every start of the process.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
