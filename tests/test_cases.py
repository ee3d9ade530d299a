"""Where each kind of silent fault that was reported once is tested, so that none loses its test unseen."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = {
    "a pack's sandbox: none": "config/test_pack_yaml.py::test_one_line_at_once_that_names_the_file",
    "a pack's hydra.callbacks": "config/test_messages.py::test_behind_the_rules_stands_a_comparison",
    "links at the names of drafts": "test_files.py::test_planted_links_under_every_name",
    "a file of an approved pack that changed": "test_approval.py::test_a_change_is_not_approved",
    "a lock that comes with a pack": "test_approval.py::test_a_lock_that_comes_with_a_pack_approves_nothing",
    "what the linter lets through": "vet/test_adversarial.py::test_even_run_they_have_no_effect",
    "packs that hang what reads them": "vet/test_hangs.py::test_is_refused_at_once",
    "damaged and edited records": "test_damage.py::test_every_damage_of_every_file_is_one_line",
    "dvc pull, then dvc repro": "end_to_end/test_dvc_tiny.py::test_a_third_clone_has_all_after_a_pull",
    "messages": "config/test_pack_yaml.py::test_one_line_at_once_that_names_the_file",
    "started in a folder below": "test_places.py::test_below_the_project_all_goes_to_it_and_that_is_said",
    "one logit's accuracy": "engine/test_trial.py::test_one_logit_is_scored_as_scikit_learn_does",
    "[n, 1] against [n]": "engine/test_trial.py::test_one_number_against_one_number_is_no_square_of_them",
    "metrics that look at the batch": "engine/test_trial.py::test_a_metric_that_looks_at_its_batch_is_refused",
    "losses that are no mean": "engine/test_scoring.py::test_the_loss_is_that_of_the_whole_part",
    "losses that are no mean, in shards": "engine/test_scoring.py::test_shards_that_would_not_add_up_are_refused",
    "which way is better": "engine/test_directions.py::test_the_lowest_loss_is_chosen",
    "units of schedules": "test_ranges.py::test_one_line_before_anything_runs",
    "raw errors": "engine/test_trial.py::test_what_does_not_fit_is_one_line",
    "data that are older than their code": "study/test_keys.py::test_after_an_edit_data_and_audit_and_cell",
    "rows of a multirun": "study/test_sweep_summary.py::test_seeds_of_the_split_are_named_in_each_row",
    "a log after a kill": "loggers/test_log.py::test_csv_has_each_row_once_whatever_was_killed",
    "W&B after a kill": "loggers/test_wandb.py::test_a_cell_that_was_killed_is_one_offline_run",
    "a base_url that ends in /v1": "author/test_openai.py::test_a_base_url_with_or_without_its_path",
}
"""{what went wrong: the file and the beginning of the test's name}"""


@pytest.mark.parametrize("case", CASES)
def test_it_has_a_test(case):
    file, _, name = CASES[case].partition("::")
    assert f"\ndef {name}" in (HERE / file).read_text(encoding="utf-8")
