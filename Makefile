# firelane. `make` alone lists the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
EPOCH   := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: help build image demo try test e2e terraform check arm64 vuln fuzz bench profile faults attack outage soak clean
help:
	@sed -n 's/^\([a-z0-9]*\):.*## /\1	/p' Makefile | expand -t 8

build: ## bin/firelane, static, and bin/licenses: the licences of all that is in it, and a bill of materials (SPDX)
	$(BUILD) -o bin/firelane ./cmd/firelane
	@GOOS= GOARCH= SOURCE_DATE_EPOCH=$(EPOCH) go run ./cmd/licenses -version $(VERSION) -goos "$(GOOS)" -goarch "$(GOARCH)" bin/licenses

image: build ## the container image, firelane:latest
	docker build -t firelane .

demo: ## a sample application's log lines become documents; DEMO="-opensearch URL" for a real server
	@go run ./cmd/demo $(DEMO)

try: ## the demo with a real OpenSearch, which it downloads once (about 100 MB); needs Go, Maven, and Java 17 or newer
	@command -v go >/dev/null && go build -o bin/demo ./cmd/demo & build=$$!; e2e/setup opensearch && wait $$build && go run ./e2e/try bin/demo

test: check e2e ## all tests: unit tests, and end-to-end tests with real servers, which it installs (Debian, root)

e2e: build ## the end-to-end tests only: Docker, OpenSearch, Elasticsearch, Kafka, moto, nginx, rsyslog, rsyslog
	e2e/setup
	FIRELANE_E2E=1 go test -count=1 -timeout 30m $(TESTFLAGS) ./e2e/
	go test -count=1 -run Rsyslog ./sink/syslog/
	go test -count=1 ./e2e/compat/ -firelane ../../bin/firelane

# The provider is 700 MB and comes from Terraform's registry, or a mirror that TF_CLI_CONFIG_FILE names: e2e/setup can't install it,
# so `make e2e` doesn't run these.
terraform: build ## deploy/terraform against moto, and its task definition with a real OpenSearch; needs terraform on PATH; root
	@command -v terraform >/dev/null || { echo "terraform is not on PATH; install Terraform 1.5 or newer"; exit 1; }
	e2e/setup
	FIRELANE_E2E=1 go test -count=1 -timeout 30m -tags terraform -run Terraform $(TESTFLAGS) ./e2e/ ./e2e/plan/

# The race detector's own allocations break the tests of allocation budgets, so all tests run without it, too.
check: ## what a change must pass before it is committed: format, vet, staticcheck, unit tests with and without the race detector
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt: the files above"; exit 1; }
	go vet ./...
	go vet -tags terraform ./e2e/ ./e2e/plan/
	go tool staticcheck ./...
	go test $(TESTFLAGS) ./...
	GORACE=atexit_sleep_ms=0 go test -race ./...

arm64: ## check that everything builds for Graviton
	GOOS=linux GOARCH=arm64 go build ./...
	GOOS=linux GOARCH=arm64 go vet ./...

# The vulnerability database is on the network; if it can't be reached, one line says that nothing was checked.
VULNDB := https://vuln.go.dev
vuln: ## known vulnerabilities in the code that the binary calls, if the database can be reached
	@out=$$(go tool govulncheck -db $(VULNDB) ./cmd/firelane 2>&1); status=$$?; \
	case "$$out" in \
	*"fetching vulnerabilities"*) echo "govulncheck: $(VULNDB) did not answer; nothing was checked" ;; \
	*) echo "$$out"; exit $$status ;; \
	esac

FUZZTIME := 60s
fuzz: ## every fuzz target for FUZZTIME (60s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
		done; \
	done

bench: build ## the cost of a record: Go benchmarks, then the whole router (and a fluent-bit on PATH)
	go test -run '^$$' -bench . -benchmem ./...
	go run ./e2e/faultbench -cost -runs 5

profile: ## write cmd/firelane/default.pgo, a profile that tells the compiler what to inline
	go run ./e2e/faultbench -cost -runs 4 -only full-batched,full-single,20k-single,json,gzip -profile cmd/firelane/default.pgo

faults: build ## what is lost and what is duplicated under faults (and with a fluent-bit on PATH)
	go run ./e2e/faultbench $(FAULTS)

attack: build ## the router under attack in 64 MiB, beside a client that does nothing wrong; ATTACK="-only NAME,…"; root
	go run ./e2e/faultbench -routers firelane -attack $(ATTACK)

OUTAGE := 10m
outage: build ## the destination down for OUTAGE (10m) under 5 MB/s, the router in 64 MiB as with docker run --memory 64m; root
	go run ./e2e/faultbench -routers firelane -outage $(OUTAGE)

SOAK := 1h
soak: build ## many attacks and faults together for SOAK (1h): ten outputs, two dead, poison, drips, in 64 MiB, a restart every minute of the first half; root
	go run ./e2e/faultbench -routers firelane -soak $(SOAK)

clean: ## remove the binaries
	rm -rf bin
