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
kbuild   = $(MAKE) --no-print-directory -C $(KDIR) $(if $(call config,CC_IS_CLANG),LLVM=1) \
	$(if $(filter default,$(origin CC)),$(if $(compiler),CC=$(compiler)))

# Nothing is compiled with a tree that will not do; one line says why.
check = $(if $(problem),$(error $(problem)))
problem = $(shell RUSTC=$(RUSTC) $(CURDIR)/scripts/check-tree $(KDIR) 2>&1)

.PHONY: modules testdrive clippy install install-programs clean help

modules:
	$(check)@mkdir -p $(out)/obj
	@+$(kbuild) M=$(CURDIR) MO=$(out)/obj modules
	@$(STRIP) --strip-debug -o $(out)/shunt.ko $(out)/obj/driver/shunt.ko

# The drives of the tests; never installed.
testdrive:
	@mkdir -p $(out)/testdrive
	@+$(kbuild) M=$(CURDIR)/tests/vm/drive MO=$(out)/testdrive CONFIG_DEBUG_INFO_BTF_MODULES= modules
	@$(STRIP) --strip-debug -o $(out)/testdrive.ko $(out)/testdrive/testdrive.ko

clippy:
	$(check)@mkdir -p $(out)/clippy
	@+$(kbuild) M=$(CURDIR) MO=$(out)/clippy CLIPPY=1 KRUSTFLAGS=-Dwarnings modules

# What is under /usr/lib here goes to where the programs are; systemd and udev look there too.
share = $(DESTDIR)$(PREFIX)/share
lib   = $(DESTDIR)$(PREFIX)/lib
place = sed 's|/usr/sbin/|$(PREFIX)/sbin/|' packaging/$(1) > $(2) && chmod 644 $(2)

install:
	@test -e $(out)/shunt.ko || { echo "shunt: there is no module for the kernel of $(KDIR): run make first" >&2; exit 1; }
	install -D -m 644 $(out)/shunt.ko $(DESTDIR)$(MODDIR)/$(release)/updates/shunt.ko
	$(if $(wildcard $(programs)),@+$(MAKE) --no-print-directory install-programs)
	$(if $(DESTDIR),,depmod $(release))

# The programs, and all that goes with them: pages and completions are made by the programs themselves.
install-programs:
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $(programs)
	install -d $(DESTDIR)/etc/shunt $(share)/man/man8 $(lib)/systemd/system $(lib)/udev/rules.d \
		$(share)/bash-completion/completions $(share)/zsh/site-functions $(share)/fish/vendor_completions.d
	$(call place,systemd/shuntd.service,$(lib)/systemd/system/shuntd.service)
	$(call place,udev/60-shunt.rules,$(lib)/udev/rules.d/60-shunt.rules)
	install -D -m 644 -t $(lib)/systemd/system packaging/systemd/shunt-ready.target
	install -D -m 644 -t $(lib)/tmpfiles.d packaging/tmpfiles.d/shunt.conf
	install -D -m 644 -t $(share)/shunt packaging/grafana/shunt.json
	install -D -m 644 -t $(share)/man/man7 packaging/man/shunt.7
	install -D -m 644 -t $(share)/man/man5 packaging/man/shunt.toml.5
	out/bin/shunt manual $(share)/man/man8
	out/bin/shuntd --manual > $(share)/man/man8/shuntd.8
	out/bin/shunt completions bash > $(share)/bash-completion/completions/shunt
	out/bin/shunt completions zsh > $(share)/zsh/site-functions/_shunt
	out/bin/shunt completions fish > $(share)/fish/vendor_completions.d/shunt.fish

clean:
	rm -rf out target

help:
	@echo 'make [KDIR=TREE]          the module, out/RELEASE/shunt.ko (TREE: $(KDIR))'
	@echo 'make testdrive [KDIR=TREE] the drives in memory that the tests need, out/RELEASE/testdrive.ko'
	@echo 'make clippy [KDIR=TREE]   the module through clippy; a warning is an error'
	@echo 'make install [KDIR=TREE] [DESTDIR=DIR] [PREFIX=$(PREFIX)]   the module, and the programs where scripts/build made them,'
	@echo '                          with their units, rules, manual pages and completions'
	@echo 'make clean                removes out/ and target/'
