# `make port` and `make test` work on a fresh machine, in any order; both set up .venv once.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: port test test-all explore external training test-keras-on-torch bench catalogue layers onnx infer faults judge fuzz lint format fixtures clean

port: .venv/ready
	$(BIN)/xframe port resnet18 paddle torch

test: .venv/ready
	$(BIN)/python -m pytest -m "not slow and not external" -q -n 2 --dist loadgroup

test-all: .venv/ready
	$(BIN)/python -m pytest -m "not external" -q -n 2 --dist loadgroup

# The tests that draw their examples, with examples that no run has had yet: `make test` draws the same ones always.
explore: .venv/ready
	$(BIN)/python -m pytest -m "hypothesis and not external" --hypothesis-profile=default -q -n 2

# Networks that others trained and published, in packages that are installed for this into a folder of their own.
external: .venv/ready
	$(BIN)/python -m pytest tests/external -m external -q

# All that concerns Keras once more, on its torch backend: nobody needs tensorflow just for Keras.
test-keras-on-torch: .venv/ready
	KERAS_BACKEND=torch $(BIN)/python -m pytest -m "not slow" -k keras -q -n 2 --dist loadgroup tests/zoo tests/equivalence tests/faults tests/proving

# Twenty steps of every optimizer over paddle, torch and keras, on lenet5_maxavg and resnet18: an hour or so.
training: .venv/ready
	$(BIN)/python -m pytest tests/proving/test_training.py tests/proving/test_optimizer_state.py tests/faults/test_training_faults.py -q -n 2 --dist loadgroup

bench: .venv/ready
	$(BIN)/python -m benchmarks --plot docs/speed.svg

# Every ordered pair of every architecture, proven at full width; `make catalogue MODELS="resnet50 vgg16"` for some.
# Images are of SIZE × SIZE where a network takes any: all pairs at 224 take some two hours.
SIZE ?= 112
catalogue: .venv/ready
	$(BIN)/python -m benchmarks.catalogue $(MODELS) --size $(SIZE) --out docs/catalogue.md

# The same pairs layer by layer and backwards, into docs/catalogue-layers.md: nothing of it may differ.
layers: .venv/ready
	$(BIN)/python -m benchmarks.layer_catalogue $(MODELS) --size $(SIZE) --out docs/catalogue-layers.md

# Every architecture through every exporter, each graph held to its model, into docs/onnx-catalogue.md.
# `make onnx MODELS="vgg16" SIZE=224 SET="hidden1=64 hidden2=64"` narrows what tf2onnx has no memory for.
onnx: .venv/ready
	$(BIN)/python -m benchmarks.onnx_catalogue $(MODELS) --size $(SIZE) --out docs/onnx-catalogue.md $(addprefix --set ,$(SET))

# The table of every pair inferred with the catalogue's own hidden, into docs/infer-catalogue.md: none may be wrong.
infer: .venv/ready
	$(BIN)/python -m benchmarks.infer_catalogue $(MODELS) --size $(SIZE) --out docs/infer-catalogue.md

# Random mutants of right ports, each of which a diff must catch; `make judge N=50 SEED=7` draws others.
N ?= 300
SEED ?= 0
judge: .venv/ready
	$(BIN)/python -m judge --mutants $(N) --seed $(SEED) --out docs/judge.md

# Every known fault, planted on every pair and either side, into docs/faults.md; it fails where one is missed.
faults: .venv/ready
	$(BIN)/python -m tests.faults.matrix --out docs/faults.md

# Coverage-guided fuzzing of every parser; `make fuzz TARGET=torch SECONDS=600` for one of them.
SECONDS ?= 60
fuzz: .venv/ready
	$(BIN)/python -m fuzz $(TARGET) --seconds $(SECONDS)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/xframe check

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fixtures: .venv/ready
	$(BIN)/python fixtures/regenerate.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# The file `ready` stands only after everything is installed: an interrupted set-up starts again.
.venv/ready: pyproject.toml constraints.txt hatch_build.py $(wildcard xframe/native/*.c)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[all,dev]"
	touch $@
