# SPDX-License-Identifier: MIT OR Apache-2.0
# The module, for a person with a prepared kernel tree. scripts/build makes such trees and everything else by itself.

KDIR   ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
MODDIR ?= /usr/lib/modules
STRIP  ?= strip

config   = $(shell sed -n 's/^CONFIG_$(1)="\{0,1\}\([^"]*\).*/\1/p' $(KDIR)/.config)
release  = $(shell cat $(KDIR)/include/config/kernel.release 2>/dev/null)
out      = $(CURDIR)/out/$(release)
programs = $(CURDIR)/out/bin/shunt $(CURDIR)/out/bin/shuntd

# The compiler that the tree was configured for, where this machine has it by that name.
compiler = $(shell command -v $(firstword $(call config,CC_VERSION_TEXT)))
kbuild   = $(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR) $(if $(call config,CC_IS_CLANG),LLVM=1) \
	$(if $(filter default,$(origin CC)),$(if $(compiler),CC=$(compiler)))

# Nothing is compiled with a tree that will not do; one line says why.
check = $(if $(problem),$(error $(problem)))
problem = $(shell RUSTC=$(RUSTC) $(CURDIR)/scripts/check-tree $(KDIR) 2>&1)

.PHONY: modules clippy install clean help

modules:
	$(check)@mkdir -p $(out)/obj
	@+$(kbuild) MO=$(out)/obj modules
	@$(STRIP) --strip-debug -o $(out)/shunt.ko $(out)/obj/driver/shunt.ko

clippy:
	$(check)@mkdir -p $(out)/clippy
	@+$(kbuild) MO=$(out)/clippy CLIPPY=1 KRUSTFLAGS=-Dwarnings modules

install:
	@test -e $(out)/shunt.ko || { echo "shunt: there is no module for the kernel of $(KDIR): run make first" >&2; exit 1; }
	install -D -m 644 $(out)/shunt.ko $(DESTDIR)$(MODDIR)/$(release)/updates/shunt.ko
	$(if $(wildcard $(programs)),install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $(wildcard $(programs)))
	$(if $(DESTDIR),,depmod $(release))

clean:
	rm -rf out target

help:
	@echo 'make [KDIR=TREE]          the module, out/RELEASE/shunt.ko (TREE: $(KDIR))'
	@echo 'make clippy [KDIR=TREE]   the module through clippy; a warning is an error'
	@echo 'make install [KDIR=TREE] [DESTDIR=DIR] [PREFIX=$(PREFIX)]   the module, and the programs where scripts/build made them'
	@echo 'make clean                removes out/ and target/'
