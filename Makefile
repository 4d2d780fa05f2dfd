# One verb each. Every target makes the machine ready first; that is quick when it is.
# YES=1 answers set-up's question, ARGS adds to what demo and bench run: make bench ARGS=reads

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
python := .venv/bin/python
sources := nm headnode tests benchmarks setup.py
ARGS ?=
PREFIX ?= /usr/local
DESTDIR ?=
# What the whole suite reaches with real parts; without root they are left out.
floor := $(if $(filter 0,$(shell id -u)),--cov-fail-under=90)

# The tests' files are in memory where there are 4 GB of it: databases wait for the disk at each change.
memory = $(shell df --output=avail /dev/shm 2>&1 | awk '$$1 + 0 > 4e6 { found = 1 } END { print found ? "/dev/shm" : "/tmp" }')
# Programs that start by the hundred in the tests would compile the same modules again, each for itself.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.PHONY: help setup demo demo-geni test lint types layers tests forward format bench crash fuzz test-switches test-loans test-guests test-pools test-kernel bench-kernel test-system test-boot test-slivers test-geni config docs screenshots install deb clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup:  ## Debian packages (asks first) and the Python environment .venv
	@scripts/setup.sh

demo: setup  ## a rack on this machine: groups deployed for real, who reaches whom, who boots from whom, what slivers get; ARGS=slivers: these alone
	@$(python) -m nm.demo $(ARGS)

demo-geni: setup  ## people from elsewhere, with certificates of GENI's: they reserve nodes of a rack on this machine, and use them
	@$(python) -m nm.demo geni

test: lint types layers tests  ## everything that a change must pass

lint: setup  ## style and likely bugs
	@.venv/bin/ruff check --quiet $(sources)
	@.venv/bin/ruff format --check --quiet $(sources)

types: setup  ## mypy, strict
	@.venv/bin/mypy --no-error-summary

layers: setup  ## which room may import which
	@said=$$(.venv/bin/lint-imports --no-cache 2>&1) || { echo "$$said"; exit 1; }

forward: setup  ## forward_api_calls and sliver_shell, the login shells of accounts
	@$(MAKE) --silent -C forward_api_calls

tests: setup forward  ## the tests alone, with coverage
	@rm -rf .coverage-data
	@scratch=$$(mktemp -d $(memory)/nm.XXXXXX); trap 'rm -rf "$$scratch"' EXIT; chmod 711 "$$scratch"; \
	    TMPDIR=$$scratch $(python) -m pytest -n 4 --dist worksteal --basetemp $$scratch/p --cov --cov-report=term $(floor)

format: setup  ## lays the code out
	@.venv/bin/ruff check --quiet --fix-only $(sources)
	@.venv/bin/ruff format --quiet $(sources)

bench: setup  ## the benchmarks, or those that ARGS names
	@$(python) -m benchmarks $(ARGS)

crash: setup  ## the full tests of durability: 100 power cuts and 2,000 kills
	@$(python) -m tests.crash.powercut 100
	@$(python) -m tests.crash.kill9 2000
	@$(python) -m tests.crash.killed_daemon 2000

test-switches: setup  ## every command line's dialect, every fault at every line: 20 minutes or so
	@NM_TEST_SWITCHES=all $(python) -m pytest -n 2 --dist worksteal tests/switches

test-loans: setup  ## loans between slivers against a plain restatement of the rules: 10,000 lives, a few minutes
	@NM_TEST_LOANS=10000 $(python) -m pytest --timeout 1800 tests/slivers/test_rules.py

test-guests: setup forward  ## slivers' guests: every step killed, machines booted again and again, a whole nm with machines
	@NM_TEST_GUESTS=1 $(python) -m pytest --timeout 900 tests/guests

test-pools: setup  ## described pools: nmd and libvirtd killed at any moment, guests that boot and answer
	@NM_TEST_POOLS=1 $(python) -m pytest --timeout 1300 tests/pools/test_in_rack.py tests/described

test-kernel: setup  ## head nodes' host network, Linux bridges, slivers' rates on a stock kernel, in a VM
	@tests/kernel/run.sh

bench-kernel: setup  ## the benchmark of Linux bridges on a stock kernel, in a VM
	@tests/kernel/run.sh benchmarks bridge_ports

test-system: setup  ## the service: its unit's exposure, in a booted system, and the Debian package's whole life
	@NM_TEST_SYSTEM=1 $(python) -m pytest tests/service

test-boot: setup  ## from deploy to booted: emulated machines boot from their head node, and what may break it
	@NM_TEST_BOOT=1 $(python) -m pytest -s tests/boot

fuzz: setup  ## descriptions at random: 10 minutes, or as many seconds as ARGS says
	@$(python) -m tests.descriptions.fuzz $(ARGS)

test-slivers: setup  ## slivers in a lab: their tests, and their limits measured, which takes a minute more
	@$(python) -m pytest tests/lab/test_slivers.py
	@$(python) -m benchmarks slivers

test-geni: setup  ## federation: all its tests, and in a lab whose nodes boot when they are provisioned
	@NM_TEST_GENI=1 $(python) -m pytest tests/geni tests/clearing tests/federation tests/amapi tests/bowl tests/mail tests/lab/test_geni*.py

install: setup  ## programs, service, manual pages; PREFIX=/usr/local, DESTDIR=
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install.sh

deb: setup  ## the Debian package, in dist/
	@scripts/deb.sh

config: setup  ## a configuration file that explains every key
	@$(python) -m nm.config

docs: setup  ## the reference pages in docs/, from the code
	@$(python) -m nm.reference > docs/api.md
	@$(python) -m nm.config > docs/nm.toml
	@$(python) -m nm.shell.spl.reference > docs/shell.md
	@$(python) -m nm.pools.page > docs/components.md

screenshots: setup  ## the pictures of the page, in docs/images
	@$(python) -m tests.web.screenshots

clean:  ## what can be made again, but for .venv
	@$(MAKE) --silent -C forward_api_calls clean
	@rm -rf build dist *.egg-info .coverage-data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find nm tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
