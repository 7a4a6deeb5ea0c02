# Copra. `make help` lists the targets; `make demo` and `make test` install
# what they need on Debian and Ubuntu.

SHELL := /bin/bash
.DEFAULT_GOAL := help

TOOLS   := $(CURDIR)/.cache/tools
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS_BUILD := -trimpath -ldflags "-s -w -X github.com/copra-video/copra/internal/buildinfo.version=$(VERSION)"

export COPRA_TEST_VERSITYGW := $(TOOLS)/bin/versitygw
export COPRA_TEST_CHARTTOOL := $(TOOLS)/bin/charttool
export COPRA_TEST_NODE_MODULES := $(CURDIR)/.cache/node/node_modules

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/copra
	go build $(GOFLAGS_BUILD) -o bin/copra ./cmd/copra

.PHONY: demo
demo: ## install what is missing, start a server, run a real job [INPUT=file-or-url]
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory build
	@scripts/demo.sh "$(INPUT)"

.PHONY: demo-stop
demo-stop: ## stop the server that make demo started
	@scripts/demo.sh --stop

# What runs with the race detector: the packages with goroutines whose tests are
# not spent in ffmpeg or PostgreSQL, where it finds nothing and costs most. Pure
# packages have none. All that they import is compiled once more for it, so none of
# them imports an SDK.
RACED := ./api ./webhook ./webhook/hostlimit ./worker ./worker/lease ./worker/admission ./worker/publish \
	./internal/netguard ./storage/rangeserver

# What takes longest, in the order of a run of all: at the end every core has something
# to do.
LONGEST := ./e2e ./transcode ./transcode/ffmpeg ./internal/postgres ./e2e/players ./internal/server ./internal/hostile \
	./check ./client ./internal/pgserver ./internal/cli ./internal/pgtest ./storage/artifacts ./tools/testreport \
	./transcode/mp4index ./internal/queue ./console ./storage/s3 ./worker/execute ./worker/artifacts

.PHONY: test
test: ## install what tests need and run all of them
	@scripts/setup.sh test
	go run ./tools/testreport -program ./cmd/copra -race "$(RACED)" $(LONGEST) ./... -shuffle=on -timeout 40m

.PHONY: test-whole
test-whole: export COPRA_WHOLE := 1
test-whole: test ## make test with whole matrices, of which it makes some cases otherwise

.PHONY: test-quick
test-quick: ## the tests that need nothing but Go: no database, no ffmpeg; half a minute
	go test -short ./...

.PHONY: test-ffmpeg7
test-ffmpeg7: ## run all tests in a chroot with Debian 13, whose ffmpeg is 7.1 as in the container image
	scripts/debian13.sh make test

.PHONY: lint
lint: ## gofmt, vet and golangci-lint, which hold the layers
	@scripts/setup.sh lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(TOOLS)/bin/golangci-lint run ./...

.PHONY: chaos
chaos: ## break every part of a deployment at each stage, and feed it hostile media; prints tables
	@scripts/setup.sh test
	COPRA_CHAOS=1 go test -count=1 -timeout 30m -p 1 -parallel $(or $(PARALLEL),4) -run 'TestChaos|TestHostile' -v ./e2e ./internal/hostile | \
		awk '/^(=== |    +--- SKIP)/ {next} {print; fflush()} /^FAIL/ {bad = 1} END {exit bad}'

.PHONY: fuzz
fuzz: ## run every fuzz target [FUZZTIME=60s]
	scripts/fuzz.sh $(or $(FUZZTIME),60s)

.PHONY: players
players: ## play streams and files of all frame rates in GStreamer, and all layouts of streams in VLC, Chromium and Firefox
	@scripts/setup.sh players
	COPRA_PLAYERS=1 go test -count=1 -timeout 30m -v ./e2e/players

.PHONY: seams
seams: ## hold 3 min in chunks against 3 min in one piece, at many rates and in many forms
	@scripts/setup.sh test
	COPRA_SEAMS=1 go test -count=1 -timeout 60m -parallel $(or $(PARALLEL),2) -run 'TestChunks' -v ./transcode

.PHONY: nightly
nightly: ## what takes too long for every change: tests of whole matrices, players, chaos, seams, load, every fuzz target [FUZZTIME=60s]
	@$(MAKE) --no-print-directory test-whole
	@$(MAKE) --no-print-directory players
	@$(MAKE) --no-print-directory chaos
	@$(MAKE) --no-print-directory seams
	@$(MAKE) --no-print-directory load
	@$(MAKE) --no-print-directory fuzz

.PHONY: bench
bench: ## measure speed and memory beside commands by hand, and write docs/performance.md; half an hour on an idle machine [BENCHFLAGS=-h]
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory build
	go run ./tools/bench $(if $(BENCHFLAGS),$(BENCHFLAGS),-page docs/performance.md)

.PHONY: encoders
encoders: ## measure the presets of the software encoders, and write docs/encoders.md; an hour of two cores [ENCODERSFLAGS=-h]
	@scripts/setup.sh test
	go run ./tools/encoders $(if $(ENCODERSFLAGS),$(ENCODERSFLAGS),-page docs/encoders.md)

.PHONY: load
load: ## 200 POSTs a second, 10,000 queued jobs, a soak; fails when a promise is broken [LOADFLAGS=-h]
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory build
	go run ./tools/load $(LOADFLAGS)

.PHONY: rates
rates: ## measure how near ladders come to their bitrates on easy, hard and uneven content
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory build
	go run ./tools/bench -parts rates $(BENCHFLAGS)

.PHONY: rules
rules: ## print rule by rule what streams of Copra and of plain ffmpeg hold
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory build
	go run ./tools/bench -parts rules $(BENCHFLAGS)

.PHONY: verify-compose
verify-compose: ## bring docker-compose.yml up and run a job through it
	deploy/verify-compose.sh

.PHONY: release
release: ## build the files of a release into dist [VERSION=0.1.0, else that of the tag]
	@grep -q '^## \[$(VERSION:v%=%)\]' CHANGELOG.md || \
		{ echo "CHANGELOG.md has no section [$(VERSION:v%=%)]: see docs/releasing.md" >&2; exit 1; }
	@scripts/setup.sh release
	scripts/release.sh $(VERSION)

.PHONY: deb
deb: ## build the Debian package for this machine into dist [VERSION=0.1.0, else that of the tag]
	@scripts/setup.sh release
	ARCHS=$$(go env GOARCH) scripts/release.sh $(VERSION)

.PHONY: verify-debian
verify-debian: ## prove the Debian package under a systemd that runs in namespaces of its own
	@scripts/setup.sh test
	deploy/verify-debian.sh

.PHONY: verify-kubernetes
verify-kubernetes: ## prove the chart on a control plane that is built from source: scaling, upgrades, scale-ins
	@scripts/setup.sh test
	deploy/verify-kubernetes.sh

.PHONY: clean
clean: ## remove what was built, and downloaded tools
	rm -rf bin .cache
