# firelane. `make` alone lists the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
EPOCH   := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
BIN     := bin
# -buildvcs=false: what the Go tool would note depends on whether there is a .git, and two builds are to be the same.
BUILD   := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.epoch=$(EPOCH)"
# What runs on this machine, whatever is built.
RUN     := GOOS= GOARCH= SOURCE_DATE_EPOCH=$(EPOCH) go run
IMAGE   := $(RUN) ./cmd/image -version $(VERSION) -revision "$(COMMIT)"

.PHONY: help build image release reproducible demo try test e2e terraform check arm64 arm64-test vuln fuzz bench profile faults attack outage soak clean
help:
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1	/p' Makefile | expand -t 14

build: ## bin/firelane, static, and bin/licenses: the licences of all that is in it, and a bill of materials (SPDX)
	$(BUILD) -o $(BIN)/firelane ./cmd/firelane
	@$(RUN) ./cmd/licenses -version $(VERSION) -goos "$(GOOS)" -goarch "$(GOARCH)" $(BIN)/licenses

image: export GOOS := linux
image: build ## the container image, firelane:latest, for this architecture, or for GOARCH=arm64 or amd64
	$(IMAGE) -o $(BIN)/image.tar linux/$$(go env GOARCH)=$(BIN)
	docker load -i $(BIN)/image.tar || { echo "the image is in $(BIN)/image.tar; docker load needs a running Docker engine" >&2; exit 1; }

# Nothing of it needs a registry or another service. docs/image.md says how the image gets into a registry.
release: ## dist/: programs for Linux and macOS, bills of materials, an image for amd64 and arm64, man page, completion, checksums
	rm -rf dist
	@set -e; for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do \
		os=$${platform%/*}; arch=$${platform#*/}; \
		$(MAKE) --no-print-directory build GOOS=$$os GOARCH=$$arch BIN=dist/build/$$os-$$arch; \
		cp dist/build/$$os-$$arch/firelane dist/firelane-$$os-$$arch; \
		cp dist/build/$$os-$$arch/licenses/sbom.spdx.json dist/firelane-$$os-$$arch.spdx.json; \
	done
	cp dist/build/linux-amd64/licenses/LICENSES.txt dist/
	$(IMAGE) -o dist/image.tar linux/amd64=dist/build/linux-amd64 linux/arm64=dist/build/linux-arm64
	@$(MAKE) --no-print-directory build GOOS= GOARCH= BIN=dist/build/host
	dist/build/host/firelane man >dist/firelane.1
	@for shell in bash zsh fish; do dist/build/host/firelane completion $$shell >dist/completion.$$shell; done
	rm -rf dist/build
	cd dist && { sha256sum * || shasum -a 256 *; } 2>/dev/null >../SHA256SUMS && mv ../SHA256SUMS .

# From two copies of the source, in different folders, with a build cache of its own each.
reproducible: ## build the images of the last commit twice, from scratch, and compare their digests (ten minutes)
	@set -e; dir=$$(mktemp -d); trap 'chmod -R u+w $$dir; rm -rf $$dir' EXIT; \
	for copy in one two/deeper; do \
		git clone -q . $$dir/$$copy; \
		for arch in amd64 arm64; do \
			GOCACHE=$$dir/cache-$${copy%/*} $(MAKE) --no-print-directory -C $$dir/$$copy build GOOS=linux GOARCH=$$arch BIN=out/$$arch VERSION=$(VERSION) >/dev/null; \
		done; \
		$(IMAGE) -o $$dir/$${copy%/*}.tar linux/amd64=$$dir/$$copy/out/amd64 linux/arm64=$$dir/$$copy/out/arm64; \
	done; \
	cmp $$dir/one.tar $$dir/two.tar && echo "the two images are the same"

demo: ## a sample application's log lines become documents, in a stand-in for OpenSearch; DEMO="-opensearch URL" for a real server
	@go run ./cmd/demo $(DEMO)

try: ## the demo with a real OpenSearch, which it downloads once (70 MB); needs Go, Maven, and Java 17 or newer
	@echo "try: builds the demo and fetches OpenSearch, which takes some minutes the first time"
	@command -v go >/dev/null && go build -o bin/demo ./cmd/demo & build=$$!; e2e/setup opensearch && wait $$build && go run ./e2e/try bin/demo

test: check e2e ## all tests: unit tests, and end-to-end tests with real servers, which it installs (Debian, root)

e2e: build ## the end-to-end tests only: Docker, OpenSearch, Elasticsearch, Kafka, moto, nginx, rsyslog, Chromium
	e2e/setup
	FIRELANE_E2E=1 go test -count=1 -timeout 30m $(TESTFLAGS) ./e2e/
	go test -count=1 -tags rsyslog -run Rsyslog $(TESTFLAGS) ./sink/syslog/
	go test -count=1 -tags chromium $(TESTFLAGS) ./e2e/page/
	go test -count=1 ./e2e/compat/ -firelane ../../bin/firelane
	go test -count=1 ./e2e/examples/ -firelane ../../bin/firelane

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
	go vet -tags terraform,rsyslog,chromium ./e2e/ ./e2e/page/ ./e2e/plan/ ./sink/syslog/
	go tool staticcheck ./...
	go test $(TESTFLAGS) ./...
	GORACE=atexit_sleep_ms=0 go test -race ./...

arm64: ## check that everything builds for Graviton, and the program for macOS
	GOOS=linux GOARCH=arm64 go build ./...
	GOOS=linux GOARCH=arm64 go vet ./...
	GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/firelane

ARM64_PACKAGES := ./record ./buffer ./forward/... ./sink/deliver ./sink/bulk ./router
arm64-test: ## the unit tests of the core, and a smoke test, as programs for arm64 (needs qemu-user-static; 20 minutes; root)
	@e2e/qemu-arm64 true
	$(MAKE) build GOOS=linux GOARCH=arm64 BIN=bin/arm64
	e2e/qemu-arm64 e2e/smoke bin/arm64/firelane
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 e2e/qemu-arm64 go test -count=1 -timeout 30m $(ARM64_PACKAGES)

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
	go run ./e2e/faultbench -viewers 5

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
	rm -rf bin dist
