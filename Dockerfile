# hndesc with all it needs, set up as on any machine; Apptainer's definition is hndesc.def.
#
#     docker build --tag hndesc .
#     docker run --rm --volume "$PWD":/work hndesc --cores all all
#
# The second line runs the workflow in this folder, results and all; add --gpus all for GPUs.
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
COPY . /opt/hndesc
RUN make -C /opt/hndesc setup
ENV PATH=/opt/hndesc/.venv/bin:$PATH
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/hndesc/Snakefile"]
