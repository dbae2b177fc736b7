"""`python llama_process.py GGUF PORT NAME CONTEXT`: llama.cpp's server, until it is ended."""

import sys
import time

import xllamacpp


def main(gguf: str, port: str, name: str, context: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.model_alias = {name}
    params.port = int(port)  # it listens to this machine alone
    params.n_ctx = int(context)
    params.n_parallel = 1
    params.cpuparams.n_threads = 1  # several would wait for one another on a busy machine
    params.warmup = False
    server = xllamacpp.Server(params)
    while server.listening_address:
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
