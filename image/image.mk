# The appliance: make image [KERNEL=own|debian], make check-image. See docs/appliance.md.

KERNEL ?= own

.PHONY: image check-image
image:
	$(NEED) build run image $(if $(filter own,$(KERNEL)),kernel)
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs
	@image/build $(KERNEL)

# On what `make image` built last; KERNEL builds nothing by itself.
check-image:
	$(NEED) build run check image
	@[ -e build/image/postern-$(VERSION)-amd64.img ] || { echo "first: make image KERNEL=debian"; exit 1; }
	@python3 tests/image/check.py $(if $(ONLY),--only '$(ONLY)')

# Before `make check` boots the appliance once (tests/system/image_test.py, which has no network): the
# kernel's name, or why there is none.
.PHONY: quick-image
quick-image:
	@mkdir -p build
	@image/quick >build/quick-image.new 2>&1 || :
	@mv build/quick-image.new build/quick-image
