#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""suite.py NAME [TEST...]: runs NAME_test.py beside it, prints TAP. The seed of random is printed;
POSTERN_TEST_SEED repeats it."""
import importlib
import os
import random
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402


def run_test(number, name, function, instance):
    began = time.monotonic()
    expected = getattr(function, "expected", [])
    try:
        function(instance)
        bad = instance.bad_lines(expected) if instance else []
        if bad:
            raise AssertionError("unexpected log lines:\n" + "\n".join(bad[:20]))
        print(f"ok {number} - {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return True
    except harness.Skip as why:
        print(f"ok {number} - {name} # SKIP {why}", flush=True)
        return True
    except Exception:
        print(traceback.format_exc())
        if instance:
            print("\n".join(("log | " + l for l in instance.log(instance.logged).splitlines()[-30:])))
            instance.logged = instance.log_size()
        print(f"not ok {number} - {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return False


def main():
    suite = importlib.import_module(sys.argv[1] + "_test")
    seed = int(os.environ.get("POSTERN_TEST_SEED") or time.time())
    random.seed(seed)
    print(f"# seed {seed}")
    tests = [(n, f) for n, f in vars(suite).items() if n.startswith("test_") and callable(f)]
    tests = [t for t in tests if not sys.argv[2:] or t[0] in sys.argv[2:]]
    options = getattr(suite, "OPTIONS", {})
    instance, good = None, True
    if options is not None:
        try:
            instance = harness.Instance(**options)
        except Exception:
            print(traceback.format_exc())
            print("not ok 1 - the suite's instance starts")
            return 1
    try:
        for number, (name, function) in enumerate(tests, 1):
            good = run_test(number, name, function, instance) and good
    finally:
        if instance:
            alive = instance.proc is not None
            status = instance.stop(20 * harness.SLOW)
            bad = instance.bad_lines() if alive else []
            if alive and (status != 0 or bad):
                good = False
                print("\n".join(bad))
                print(f"not ok {len(tests) + 1} - orderly stop (exit status {status})")
            elif alive:
                print(f"ok {len(tests) + 1} - orderly stop")
            instance.destroy()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
