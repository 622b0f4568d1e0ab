# firelane. `make` alone lists the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: help build image demo test e2e check arm64 vuln fuzz bench profile faults soak clean
help:
	@sed -n 's/^\([a-z0-9]*\):.*## /\1	/p' Makefile | expand -t 8

build: ## bin/firelane, static
	$(BUILD) -o bin/firelane ./cmd/firelane

image: build ## the container image, firelane:latest
	docker build -t firelane .

demo: ## an application's lines become documents, in this terminal; DEMO="-opensearch URL" for a real server
	@go run ./cmd/demo $(DEMO)

test: check e2e ## everything: unit tests and the real things; installs what those need (Debian, root)

e2e: build ## the end-to-end tests alone: Docker, OpenSearch, Elasticsearch, nginx
	e2e/setup
	FIRELANE_E2E=1 go test -count=1 -timeout 15m $(TESTFLAGS) ./e2e/

# The race detector's own allocations break the tests of allocation budgets, so all tests run without it, too.
check: ## what a change must pass before it is committed: format, vet, staticcheck, unit tests with and without the race detector
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt: the files above"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test $(TESTFLAGS) ./...
	GORACE=atexit_sleep_ms=0 go test -race ./...

arm64: ## that everything builds for Graviton
	GOOS=linux GOARCH=arm64 go build ./...
	GOOS=linux GOARCH=arm64 go vet ./...

# The database of vulnerabilities is on the network; without it one line says that nothing was checked.
VULNDB := https://vuln.go.dev
vuln: ## known vulnerabilities in what the binary calls, where the database can be reached
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

bench: build ## what a record costs: Go benchmarks, then the whole router (beside a fluent-bit on PATH)
	go test -run '^$$' -bench . -benchmem ./...
	go run ./e2e/faultbench -cost -runs 5

profile: ## cmd/firelane/default.pgo, by which the compiler knows what to inline: rows of the bench, profiled
	go run ./e2e/faultbench -cost -runs 4 -only full-batched,full-single,20k-single,json,gzip -profile cmd/firelane/default.pgo

faults: build ## what is lost and what is duplicated while things go wrong; beside a fluent-bit on PATH
	go run ./e2e/faultbench $(FAULTS)

SOAK := 10m
soak: build ## the destination away for SOAK (10m) under 5 MB/s, the router in 64 MiB as with docker run --memory 64m; root
	go run ./e2e/faultbench -routers firelane -soak $(SOAK)

clean: ## removes what make made
	rm -rf bin
