"""Run with a folder: Paddle writes shards into it, with an index as PaddleNLP writes one."""

import json
import sys
from pathlib import Path

import numpy as np
import paddle
from exchange import tell, told

folder = Path(sys.argv[1])
paddle.seed(7)
state = paddle.nn.Sequential(paddle.nn.Linear(3, 4), paddle.nn.BatchNorm1D(4), paddle.nn.Linear(4, 2)).state_dict()
names = [f"model_state-{number:05}-of-00002.pdparams" for number in (1, 2)]
weight_map = {key: names[index % 2] for index, key in enumerate(state)}
for name in names:
    paddle.save({key: tensor for key, tensor in state.items() if weight_map[key] == name}, str(folder / name))
total = sum(np.asarray(tensor).nbytes for tensor in state.values())
index = {"metadata": {"total_size": total}, "weight_map": weight_map}
(folder / "model_state.pdparams.index.json").write_text(json.dumps(index, indent=2))
arrays = {key: np.asarray(tensor) for key, tensor in state.items()}
said = {key: told(array.dtype, array.shape, array.tobytes()) for key, array in arrays.items()}
tell(folder, "model_state.pdparams.index.json", said)
