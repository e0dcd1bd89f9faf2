"""Every module has tests under its name, or its tests are in the table below.

The tests of `client/core/retry.py` are in `test_retry.py` or `test_retry_<aspect>.py`. A module
that is tested through another one has an entry in TESTED_BY; an entry for a package covers its
modules.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "synapse_workflows"
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.stem not in {"__init__", "__main__"}
)
TEST_FILES = {path.stem for path in TESTS.rglob("test_*.py")}
TESTED_BY = {
    "challenge/claim_annotations": "contract/test_claims.py",
    "challenge/claim_attempt": "contract/test_submission_claimer.py",
    "challenge/claim_errors": "contract/test_claims.py",
    "challenge/claim_ids": "contract/test_claims.py",
    "challenge/claim_limit": "contract/test_claims.py",
    "challenge/claim_reaper": "airflow/test_submissions_reap.py",
    "challenge/claim_takeover": "contract/test_claims.py",
    "challenge/evaluation_queue": "contract/test_submission_claimer.py",
    "challenge/callable_runner": "unit/challenge/test_scorer_program.py",
    "challenge/claim_heartbeat": "airflow/test_scores_claims.py",
    "challenge/score_results": "airflow/test_scores.py",
    "challenge/scorer_files": "airflow/test_scores_files.py",
    "challenge/scorer_launcher": "unit/challenge/test_scorer_process.py",
    "challenge/scoring_programs": "airflow/test_scores.py",
    "challenge/scoring_state": "airflow/test_scores_claims.py",
    "challenge/submission_evaluation": "unit/challenge/test_scorer_program.py",
    "challenge/submission_inputs": "airflow/test_scores.py",
    "challenge/submission_scoring": "airflow/test_scores_errors.py",
    "challenge/server_clock": "contract/test_claims.py",
    "challenge/submitter_quota": "contract/test_submission_claimer.py",
    "challenge/outcome_message": "examples/test_runner.py",
    "drawing/alignment": "unit/drawing/test_graph_layout.py",
    "drawing/blocks": "unit/drawing/test_graph_layout.py",
    "drawing/layers": "unit/drawing/test_graph_layout.py",
    "drawing/template_environment": "unit/drawing/test_svg.py",
    "client/api/endpoints": "unit/client/core/test_session.py",
    "client/api/entity_lookup": "contract/test_children.py",
    "client/api/files": "contract/test_transfers.py",
    "client/api/rest": "unit/client/core/test_session.py",
    "client/api/store_content": "contract/test_store.py",
    "client/api/store_entity": "contract/test_store.py",
    "client/api/store_object": "contract/test_evaluations.py",
    "client/api/store_properties": "contract/test_store.py",
    "client/api/store_request": "contract/test_store.py",
    "client/core/cache_map": "unit/client/core/test_cache.py",
    "client/core/cache_pins": "unit/client/core/test_cache_eviction.py",
    "client/core/events": "contract/test_entities.py",
    "client/core/message_flow": "contract/test_messages.py",
    "client/core/log": "unit/client/core/test_redaction.py",
    "client/core/storage_config": "contract/test_transfers_sftp.py",
    "client/core/shared_session": "airflow/test_shared_polls.py",
    "client/model/argument_types": "unit/client/model/test_rows.py",
    "client/model/column_mapping": "unit/client/model/test_csv_tables.py",
    "client/model/entity_base": "unit/client/model/test_entity.py",
    "client/model/file_conversion": "unit/client/model/test_json_lines.py",
    "client/model/rest_object": "contract/test_evaluations.py",
    "client/model/status_annotations": "unit/client/model/test_submissions_annotations.py",
    "client/model/table_factory": "unit/client/model/test_csv_tables.py",
    "client/transfer": "contract/test_transfers.py",
    "cli_errors": "contract/test_cli_provenance.py",
    "csv_blocks": "service/test_csv_batches.py",
    "demo/challenge_round": "examples/test_runner.py",
    "demo/lineage_story": "examples/test_runner.py",
    "demo/run_dags": "examples/test_runner.py",
    "hooks/async_sessions": "airflow/test_shared_polls.py",
    "client/api/entity_paths": "airflow/test_synapse_file_system.py",
    "client/api/query_events": "contract/test_queries.py",
    "lineage/task_datasets": "airflow/test_openlineage_methods.py",
    "openlineage_columns": "airflow/test_openlineage_methods.py",
    "openlineage_datasets": "airflow/test_openlineage_methods.py",
    "filesystem": "airflow/test_synapse_file_system.py",
    "fs": "airflow/test_synapse_file_system_lineage.py",
    "hooks/base": "airflow/test_synapse_hook.py",
    "hooks/check_queries": "airflow/test_sql.py",
    "hooks/entity_ids": "airflow/test_file_operators.py",
    "hooks/files": "airflow/test_file_operators.py",
    "hooks/query_reads": "airflow/test_synapse_hook_reads.py",
    "idempotency/annotation_writer": "airflow/test_annotations.py",
    "client/core/parallel_requests": "contract/test_walk.py",
    "idempotency/planned_changes": "airflow/test_annotations.py",
    "idempotency/refusals": "airflow/test_annotations.py",
    "idempotency/message_sender": "airflow/test_messages.py",
    "notification_text": "airflow/test_notifications.py",
    "idempotency/earlier_tries": "airflow/test_prefix_index.py",
    "idempotency/file_matching": "airflow/test_prefix_index.py",
    "idempotency/folder_tree": "airflow/test_prefix_index.py",
    "idempotency/index_options": "airflow/test_prefix_index.py",
    "idempotency/index_progress": "airflow/test_prefix_index.py",
    "idempotency/index_targets": "airflow/test_prefix_index.py",
    "idempotency/object_registration": "airflow/test_prefix_index.py",
    "idempotency/folders": "airflow/test_file_operators.py",
    "idempotency/parquet_source": "airflow/test_table_stores.py",
    "idempotency/frame_source": "airflow/test_row_source.py",
    "idempotency/query_state": "airflow/test_table_queries_deferrable.py",
    "idempotency/query_results": "airflow/test_table_queries.py",
    "idempotency/recovery": "airflow/test_table_stores_recovery.py",
    "idempotency/retry_policy": "airflow/test_file_operators.py",
    "idempotency/row_scope": "airflow/test_upsert_comparison.py",
    "idempotency/row_upload": "airflow/test_table_stores.py",
    "idempotency/row_writer": "airflow/test_table_stores_modes.py",
    "idempotency/snapshot": "airflow/test_table_snapshots.py",
    "idempotency/snapshot_lookup": "airflow/test_table_snapshots_unchanged.py",
    "idempotency/snapshot_state": "airflow/test_table_snapshots_recovery.py",
    "idempotency/sql_condition": "airflow/test_upsert_comparison.py",
    "idempotency/staging": "airflow/test_object_storage.py",
    "idempotency/store_calls": "airflow/test_synapse_hook_tables.py",
    "idempotency/table_reader": "airflow/test_table_stores_modes.py",
    "idempotency/table_store": "airflow/test_table_stores.py",
    "idempotency/task_state": "airflow/test_table_stores_recovery.py",
    "idempotency/transaction": "airflow/test_table_stores_recovery.py",
    "idempotency/view_rows": "airflow/test_view_store.py",
    "idempotency/upsert_index": "airflow/test_table_stores_modes.py",
    "idempotency/value_source": "airflow/test_row_formats.py",
    "operators/deferrable": "airflow/test_table_stores_deferrable.py",
    "lineage/batch_activity": "airflow/test_prefix_index.py",
    "lineage/declared_provenance": "airflow/test_lineage_client.py",
    "lineage/event_records": "airflow/test_published_record.py",
    "ui/pages": "airflow/test_app_access.py",
    "ui/run_lineage": "airflow/test_app_access.py",
    "ui/run_list": "airflow/test_app_access.py",
    "hooks/sts_conn_ids": "airflow/test_secrets.py",
    "hooks/sts_connections": "airflow/test_secrets.py",
    "hooks/sts_environment": "airflow/test_sts.py",
    "lineage/sts_client": "airflow/test_sts_secrets.py",
    "lineage/sts_lineage": "airflow/test_sts.py",
    "lineage/activity_description": "airflow/test_activity_writer.py",
    "lineage/store_notes": "airflow/test_store_provenance.py",
    "lineage/task_state_store": "airflow/test_collector_retries.py",
    "lineage/template_references": "airflow/test_data_dependencies.py",
    # the local service is tested over HTTP, by subject
    "local/data_dir_lock": "service/test_server.py",
    "local/demo_seed": "service/test_seed.py",
    "local/domain/access_lists": "service/test_entity_acl.py",
    "local/domain/aliases": "service/test_entities.py",
    "local/domain/portal/entity_page": "service/test_portal.py",
    "local/domain/portal/evaluation_page": "service/test_portal.py",
    "local/domain/portal/sessions": "service/test_portal.py",
    "local/domain/portal/table_page": "service/test_portal.py",
    "local/domain/bulk_download": "service/test_cell_files.py",
    "local/domain/dates": "service/test_cell_values.py",
    "local/domain/entity_files": "service/test_file_handles.py",
    "local/domain/entity_types": "service/test_entities.py",
    "local/domain/entity_writes": "service/test_entities.py",
    "local/domain/evaluations/submission_counts": "service/test_submission_eligibility.py",
    "local/domain/evaluations/status_annotations": "service/test_submission_status.py",
    "local/domain/file_associations": "service/test_file_handles.py",
    "local/domain/generated_files": "service/test_csv_export.py",
    "local/domain/hierarchy": "service/test_children.py",
    "local/domain/lookup": "service/test_entities.py",
    "local/domain/paging": "service/test_children.py",
    "local/domain/principal": "service/test_auth.py",
    "local/domain/principal_names": "service/test_teams.py",
    "local/domain/service": "service/test_server.py",
    "local/domain/signing": "service/test_presigned_urls.py",
    "local/domain/storage/download_urls": "service/test_external_handles.py",
    "local/domain/storage/effective_settings": "service/test_project_settings.py",
    "local/domain/storage/location_types": "service/test_storage_locations.py",
    "local/domain/storage/upload_rights": "service/test_multipart_requests.py",
    "local/domain/tables/column_layout": "service/test_schema_changes.py",
    "local/domain/tables/column_types": "service/test_columns.py",
    "local/domain/tables/facets": "service/test_queries.py",
    "local/domain/tables/lenient_json": "service/test_cell_values.py",
    "local/domain/tables/query_bundle": "service/test_queries.py",
    "local/domain/tables/query_errors": "service/test_sql_limits.py",
    "local/domain/tables/query_filters": "service/test_queries.py",
    "local/domain/tables/queryable": "service/test_queries.py",
    "local/domain/tables/queryable_registry": "service/test_queries.py",
    "local/domain/tables/row_changes": "service/test_row_sets.py",
    "local/domain/tables/sql": "service/test_sql_queries.py",
    "local/domain/tables/table_queryable": "service/test_queries.py",
    "local/domain/tables/transactions": "service/test_table_update_stateful.py",
    "local/domain/upload_parts": "service/test_multipart.py",
    "local/domain/views": "service/test_entity_views.py",
    "local/domain/visibility": "service/test_access.py",
    "local/routers": "service/test_responses.py",
    "local/service_file": "service/test_server.py",
    "local/settings": "service/test_rate_limit.py",
    "local/s3": "service/test_s3_server.py",
    "local/seeder": "service/test_seed.py",
    "local/storage": "service/test_server.py",
    "provenance/gaps": "unit/provenance/test_record.py",
    "operators/base": "airflow/test_file_operators.py",
    "operators/files": "airflow/test_file_operators.py",
    "provenance/abstract_workflow": "peer/test_run_crate.py",
    "provenance/container_scan": "contract/test_walk.py",
    "provenance/crate_entities": "peer/test_run_crate.py",
    "provenance/crate_files": "contract/test_export.py",
    "provenance/export_format": "contract/test_export.py",
    "provenance/exported_provenance": "contract/test_prov_document.py",
    "provenance/provenance_graph": "contract/test_walk.py",
    "provenance/provenance_reader": "contract/test_walk.py",
    "plugin": "airflow/test_provider_info.py",
    "sensors/base": "airflow/test_table_sensors_retries.py",
    "triggers/base": "airflow/test_shared_polls.py",
    "triggers/jobs": "airflow/test_table_snapshots.py",
}


def has_tests_under_its_name(module: str) -> bool:
    name = f"test_{module.rpartition('/')[2]}"
    return any(each == name or each.startswith(f"{name}_") for each in TEST_FILES)


UNTESTED = [module for module in MODULES if not has_tests_under_its_name(module)]


def entries_for(module: str) -> list[str]:
    return [entry for entry in TESTED_BY if module == entry or module.startswith(f"{entry}/")]


@pytest.mark.parametrize("module", UNTESTED)
def test_a_module_without_tests_of_its_name_is_in_the_table(module):
    assert entries_for(module)


@pytest.mark.parametrize("entry", TESTED_BY)
def test_an_entry_names_an_existing_test_file_and_is_needed(entry):
    assert (TESTS / TESTED_BY[entry]).is_file()
    assert any(entry in entries_for(module) for module in UNTESTED)
