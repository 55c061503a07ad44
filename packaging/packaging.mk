# Packages of what was built.
.PHONY: deb
deb:
	@tests/install-packages build run deb
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs
	@packaging/deb/build $(OUT) build/deb $(or $(DEB_VERSION),$(VERSION))
