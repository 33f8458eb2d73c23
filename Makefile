# What there is to do with Sallyport. "make help" says it in short.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BIN     := bin/sallyport
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VULN    := golang.org/x/vuln/cmd/govulncheck@v1.8.0
TOOLS   := $(CURDIR)/bin/tools
FUZZTIME ?= 10s

.DEFAULT_GOAL := help
.PHONY: help run build test test-setup check format sbom reproducible bench drill fuzz clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build, and start the demo: sign in at http://127.0.0.1:8081
	$(BIN) demo

build: ## build the one static binary, bin/sallyport
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/sallyport

test: test-setup ## set up what the tests need, and run them all with the race detector
	@scripts/test

test-setup:
	@scripts/test-setup

check: ## format, vet, linters, known vulnerabilities
	@scripts/check "$(TOOLS)" "$(LINT)" "$(VULN)"

format: ## format every Go file
	@scripts/tool "$(TOOLS)" "$(LINT)" golangci-lint fmt

sbom: build ## list every module in the binary: bin/sallyport.cdx.json (CycloneDX)
	@scripts/sbom "$(TOOLS)" "$(BIN)" "$(VERSION)"

reproducible: ## build what is committed twice, in different places, and compare the bytes
	@scripts/reproducible

bench: ## measure speed and size, on SQLite and Postgres; the table goes to standard output
	@go run ./e2e/bench $(BENCHFLAGS)

drill: ## take processes and databases away under load: DRILL="kill -times 100", failover, restart, overload or timing
	@go run ./e2e/drill $(DRILL)

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@scripts/fuzz "$(FUZZTIME)"

clean: ## remove what was built
	rm -rf bin
