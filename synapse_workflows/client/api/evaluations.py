"""Evaluations: queues to which entities are submitted.

Source: https://rest-docs.synapse.org (EvaluationController)
"""

from collections.abc import Iterator
from typing import Any

from synapse_workflows.client.core import flows
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.evaluations import Evaluation
from synapse_workflows.client.model.ids import id_of, parse_entity_id, parse_numeric_id


def getEvaluation(syn: Session, id: Any) -> Evaluation:
    """Get an evaluation by its ID.

    Args:
        syn: The session that sends the request.
        id: ID of an evaluation, or the evaluation.

    Raises:
        ValueError: `id` is not the ID of an evaluation.
        SynapseNotFoundError: The evaluation does not exist.
        SynapseForbiddenError: The caller may not read the evaluation.

    Source:
        GET /evaluation/{id}
        https://rest-docs.synapse.org/rest/GET/evaluation/evalId.html
    """
    return Evaluation(**syn.call("GET", Evaluation.getURI(parse_evaluation_id(id))).object)


def getEvaluationByName(syn: Session, name: str) -> Evaluation:
    """Get an evaluation by its name.

    Args:
        syn: The session that sends the request.
        name: The exact name.

    Raises:
        ValueError: `name` is not text, or is empty.
        SynapseNotFoundError: No evaluation has this name, or the caller may not read it.

    Source:
        GET /evaluation/name/{name}
        https://rest-docs.synapse.org/rest/GET/evaluation/name/name.html
    """
    given: Any = name
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"Invalid name of an evaluation {given!r:.80}: expected text, not empty.")
    return Evaluation(**syn.call("GET", Evaluation.getByNameURI(name)).object)


def getEvaluationByContentSource(syn: Session, entity: Any) -> Iterator[Evaluation]:
    """Iterate over the evaluations of a project that the caller may read.

    Args:
        syn: The session that sends the requests: one for each page of 20 evaluations.
        entity: A project, or its ID.

    Raises:
        ValueError: `entity` is not an entity.

    Source:
        GET /entity/{id}/evaluation
        https://rest-docs.synapse.org/rest/GET/entity/id/evaluation.html
    """
    call = flows.Call("GET", f"/entity/{parse_entity_id(entity).id}/evaluation")
    for one in syn.iter_items(flows.with_offset(call)):
        yield Evaluation(**one)


def parse_evaluation_id(evaluation: Any) -> str:
    """Parse the ID of an evaluation; a leading ``syn`` is dropped, as Synapse does.

    Args:
        evaluation: ID of an evaluation, or the evaluation.

    Returns:
        Decimal text.

    Raises:
        ValueError: The value is not the ID of an evaluation.
    """
    text = id_of(evaluation)
    is_prefixed = text[:3].lower() == "syn"
    return parse_numeric_id(text[3:] if is_prefixed else text, "evaluation")
