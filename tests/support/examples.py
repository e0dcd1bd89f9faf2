"""The example DAGs, imported as Airflow imports them."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from synapse_workflows.demo.paths import examples_dir

#: Program that copies the samples of its sheet to S3, as the command `nextflow` of example 12.
NEXTFLOW = """\
#!{python}
import sys
from pathlib import Path

import boto3

assert sys.argv[1:3] == ["run", "nf-core/rnaseq"], sys.argv
*_, outdir = sys.argv
bucket, _, key = outdir.removeprefix("s3://").partition("/")
sheet = Path(sys.argv[sys.argv.index("--input") + 1]).read_text().splitlines()
for line in filter(lambda line: "," in line, sheet[1:]):
    sample, path = line.split(",")
    content = Path(path).read_bytes()
    if b"broken" in content:
        sys.exit("the pipeline failed")
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{{key}}/{{sample}}.txt", Body=content)
"""


@cache
def import_example(number: int) -> ModuleType:
    """Import the example with a number."""
    (path,) = examples_dir().glob(f"{number:02}_*.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def create_dag(number: int, name: str) -> Any:
    """Return a new DAG of an example, with the file of the example as its code."""
    module = import_example(number)
    dag = getattr(module, name)()
    dag.fileloc = module.__file__
    return dag


def install_nextflow(folder: Path) -> None:
    """Write a program `nextflow` that copies its samples to S3 into a new folder."""
    folder.mkdir()
    program = folder / "nextflow"
    program.write_text(NEXTFLOW.format(python=sys.executable))
    program.chmod(0o755)
