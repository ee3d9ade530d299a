"""PaperId: every spelling, the lost trailing zero, and argv before Hydra."""

import keyword
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlintern.core.errors import UserError
from mlintern.paper.ids import ARCHIVES, PaperId, papers_in, rewrite_paper_override

months = st.integers(1, 12).map("{:02d}".format)
four_digit_ids = st.builds(
    lambda year, month, n: f"{year}{month}.{n:04d}",
    st.integers(8, 14).map("{:02d}".format),
    months,
    st.integers(1, 9999),
)
five_digit_ids = st.builds(
    lambda year, month, n: f"{year}{month}.{n:05d}", st.integers(15, 60).map(str), months, st.integers(1, 99999)
)
old_ids = st.builds(
    lambda archive, year, month, n: f"{archive}/{year:02d}{month}{n:03d}",
    st.sampled_from(sorted(ARCHIVES)),
    st.one_of(st.integers(91, 99), st.integers(0, 6)),
    months,
    st.integers(1, 999),
)
any_id = st.one_of(four_digit_ids, five_digit_ids, old_ids)
versions = st.one_of(st.none(), st.integers(1, 40))

SPELLINGS = [
    ("1412.6980", "arxiv_1412_6980", "1412.6980", None),
    ("0704.0001", "arxiv_0704_0001", "0704.0001", None),
    ("1706.03762v5", "arxiv_1706_03762", "1706.03762", 5),
    ("1706.03762V5", "arxiv_1706_03762", "1706.03762", 5),
    ("  '1412.6980' ", "arxiv_1412_6980", "1412.6980", None),
    ("cs/0701234", "arxiv_cs_0701234", "cs/0701234", None),
    ("hep-th/9901001v2", "arxiv_hep_th_9901001", "hep-th/9901001", 2),
    ("math.GT/0309136", "arxiv_math_0309136", "math/0309136", None),
    ("cond-mat.stat-mech/0309136", "arxiv_cond_mat_0309136", "cond-mat/0309136", None),
    ("arXiv:1412.6980", "arxiv_1412_6980", "1412.6980", None),
    ("ARXIV: hep-th/9901001", "arxiv_hep_th_9901001", "hep-th/9901001", None),
    ("arXiv:1706.03762v5 [cs.CL] 6 Dec 2017", "arxiv_1706_03762", "1706.03762", 5),
    ("10.48550/arXiv.1706.03762", "arxiv_1706_03762", "1706.03762", None),
    ("https://doi.org/10.48550/arXiv.1706.03762", "arxiv_1706_03762", "1706.03762", None),
    ("https://arxiv.org/abs/1706.03762", "arxiv_1706_03762", "1706.03762", None),
    ("http://www.arxiv.org/pdf/1706.03762v5.pdf?download=1#page=3", "arxiv_1706_03762", "1706.03762", 5),
    ("https://arxiv.org/pdf/1412.6980", "arxiv_1412_6980", "1412.6980", None),
    ("https://arxiv.org/html/2410.05258v2#S3.T1", "arxiv_2410_05258", "2410.05258", 2),
    ("https://arxiv.org/abs/1706.03762v5/", "arxiv_1706_03762", "1706.03762", 5),
    ("HTTPS://ARXIV.ORG/abs/1412.6980", "arxiv_1412_6980", "1412.6980", None),
    ("arxiv.org/abs/1412.6980", "arxiv_1412_6980", "1412.6980", None),
    ("https://export.arxiv.org/abs/hep-th/9901001v2?context=math", "arxiv_hep_th_9901001", "hep-th/9901001", 2),
    ("https://arxiv.org/abs/hep-th%2F9901001", "arxiv_hep_th_9901001", "hep-th/9901001", None),
    ("https://arxiv.org/e-print/1412.6980v9", "arxiv_1412_6980", "1412.6980", 9),
    ("https://ar5iv.labs.arxiv.org/html/1412.6980", "arxiv_1412_6980", "1412.6980", None),
    ("https://ar5iv.org/abs/1412.6980", "arxiv_1412_6980", "1412.6980", None),
    ("arxiv_1412_6980", "arxiv_1412_6980", "1412.6980", None),
    ("arxiv_hep_th_9901001", "arxiv_hep_th_9901001", "hep-th/9901001", None),
]


@pytest.mark.parametrize(("text", "slug", "id", "version"), SPELLINGS)
def test_spellings(text: str, slug: str, id: str, version: int | None) -> None:
    paper = PaperId.parse(text)
    assert (paper.slug, paper.id, paper.version, paper.is_local, paper.path) == (slug, id, version, False, None)


@given(any_id, versions)
@settings(deadline=None)
def test_every_spelling_of_one_id_is_one_paper(id: str, version: int | None) -> None:
    full = id + (f"v{version}" if version else "")
    paper = PaperId.parse(full)
    assert paper.id == id
    assert paper.version == version
    assert str(paper) == full
    assert paper.slug.isidentifier()
    assert not keyword.iskeyword(paper.slug)
    for spelling in (
        f"arXiv:{full}",
        f"https://arxiv.org/abs/{full}?x=1",
        f"http://export.arxiv.org/pdf/{full}.pdf#page=2",
    ):
        assert PaperId.parse(spelling) == paper
    back = PaperId.parse(paper.slug)
    assert (back.id, back.version) == (id, None)


@given(any_id, any_id)
@settings(deadline=None)
def test_different_ids_have_different_slugs(one: str, other: str) -> None:
    assert (PaperId.parse(one).slug == PaperId.parse(other).slug) == (one == other)


@given(st.one_of(four_digit_ids, five_digit_ids))
@settings(deadline=None)
def test_an_id_read_as_a_float_is_never_accepted_as_another_id(id: str) -> None:
    """What YAML or Hydra makes of an unquoted id: nothing was lost, or the message names the id that was meant."""
    as_float = str(float(id))
    if as_float == id:
        assert PaperId.parse(as_float).id == id
        return
    with pytest.raises(UserError) as caught:
        PaperId.parse(as_float)
    assert f"did you mean {id}?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1412.698", "did you mean 1412.6980?"),
        ("1412.698v2", "did you mean 1412.6980v2?"),
        ("1412.06980", "did you mean 1412.6980?"),
        ("1706.0376", "did you mean 1706.03760?"),
        ("704.0001", "did you mean 0704.0001?"),
        ("1706.03762v0", "versions are counted from v1"),
        ("1413.1234", "not YYMM"),
        ("0703.1234", "not YYMM"),
        ("1412.0000", "look the id up"),
        ("foo/0701234", "no archive 'foo'"),
        ("cs/0713234", "not YYMMNNN"),
        ("cs/0704234", "not YYMMNNN"),
        ("", "the id is empty"),
        ("attention is all you need", "no arXiv id and no file"),
        ("https://www.alphaxiv.org/overview/1706.03762v2", "not one of arXiv's hosts; did you mean 1706.03762v2?"),
        ("https://alphaxiv.org/", "not one of arXiv's hosts"),
        ("https://arxiv.org.example.com/abs/1706.03762", "not one of arXiv's hosts"),
        ("https://notarxiv.org/abs/1706.03762", "not one of arXiv's hosts"),
        ("https://arxiv.org@example.com/abs/1706.03762", "not one of arXiv's hosts"),
        ("https://arxiv.org/list/cs.LG/recent", "names no paper of arXiv"),
        ("https://[::1/abs/1706.03762", "is not a URL"),
        ("paper.pdf", "no such file"),
        ("1706.03762.pdf", "for the paper on arXiv give 1706.03762"),
        ("./nowhere", "no such file"),
        ("~nobody-of-this-name/paper", "no such file"),
        ("\N{ARABIC-INDIC DIGIT ONE}412.6980", "no arXiv id"),
    ],
)
def test_refusals_say_what_to_do(text: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        PaperId.parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("draft.tex", "local_draft"),
        ("My Draft (2).pdf", "local_my_draft_2"),
        ("1412.6980.pdf", "local_1412_6980"),
        ("main.tex", "local_attention_main"),
        ("source.tar.gz", "local_attention_source"),
        ("page.html", "local_page"),
        ("étude.zip", "local_etude"),
    ],
)
def test_local_files(name: str, slug: str, tmp_path: Path) -> None:
    file = tmp_path / "attention" / name
    file.parent.mkdir()
    file.write_bytes(b"x")
    paper = PaperId.parse(str(file))
    assert paper.slug == slug
    assert paper.is_local
    assert paper.path == file.resolve()
    assert paper.version is None


def test_an_id_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1706.03762").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not PaperId.parse("1706.03762").is_local
    assert PaperId.parse("./1706.03762").path == tmp_path / "1706.03762"


def test_a_local_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_bytes(b"x")
    with pytest.raises(UserError, match="cannot read this kind of file"):
        PaperId.parse(str(tmp_path / "notes.docx"))


@given(st.text(max_size=80))
@settings(deadline=None)
def test_any_text_gives_a_paper_or_one_line(text: str) -> None:
    try:
        paper = PaperId.parse(text)
    except UserError:
        return  # that its message is one line is UserError's own promise
    assert paper.slug.isidentifier()
    assert paper.slug.isascii()
    assert len(paper.slug) < 80


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
@settings(deadline=None)
def test_every_file_name_has_a_legal_slug(stem: str) -> None:
    from mlintern.paper.ids import local_slug

    slug = local_slug(Path("/somewhere") / f"{stem}.pdf")
    assert slug.isidentifier()
    assert slug.isascii()
    assert slug == slug.lower()
    assert len(slug) < 80


@pytest.mark.parametrize(
    ("argument", "rewritten"),
    [
        ("paper=1412.6980", "paper=arxiv_1412_6980"),
        ("paper='1412.6980'", "paper=arxiv_1412_6980"),
        ('paper="1412.6980"', "paper=arxiv_1412_6980"),
        ("+paper=1412.6980", "+paper=arxiv_1412_6980"),
        ("++paper=hep-th/9901001v2", "++paper=arxiv_hep_th_9901001"),
        ("paper=1412.6980,1706.03762v5", "paper=arxiv_1412_6980,arxiv_1706_03762"),
        ("paper='1412.6980', 'cs/0701234'", "paper=arxiv_1412_6980,arxiv_cs_0701234"),
        ("paper=choice(1412.6980,cs/0701234)", "paper=arxiv_1412_6980,arxiv_cs_0701234"),
        ("paper=https://arxiv.org/abs/1706.03762v5?a=b", "paper=arxiv_1706_03762"),
        ("paper=arxiv_1412_6980", "paper=arxiv_1412_6980"),
        ("paper=1412.6980,mine", "paper=arxiv_1412_6980,mine"),
    ],
)
def test_rewriting(argument: str, rewritten: str) -> None:
    argv = ["-m", argument, "model=mlp"]
    assert rewrite_paper_override(argv) == ["-m", rewritten, "model=mlp"]
    assert rewrite_paper_override([rewritten]) == [rewritten]


@pytest.mark.parametrize(
    "argument",
    [
        "paper.arxiv_url=http://127.0.0.1:1/1412.6980",
        "paper@other=1412.6980",
        "~paper",
        "paper=${oc.env:PAPER}",
        "paper=glob(*)",
        "paper=mine",
        "notes=paper=1412.6980",
        "model=1412.6980",
        "data.url=cs/0701234",
        "--config-dir=paper=1412.6980",
        "-m",
        "",
    ],
)
def test_everything_else_passes_through(argument: str) -> None:
    assert rewrite_paper_override([argument]) == [argument]
    assert papers_in([argument]) == []


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("paper=1412.698", "did you mean 1412.6980?"),
        ("paper=1412.6980,1706.0376", "did you mean 1706.03760?"),
        ("paper=", "the id is empty"),
        ("paper=1706.03762v1,1706.03762v5", "share one pack"),
    ],
)
def test_rewriting_refuses_a_malformed_id(argument: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        rewrite_paper_override([argument])
    assert says in str(caught.value)


def test_versions_and_paths_travel_beside_argv(tmp_path: Path) -> None:
    (tmp_path / "draft.tex").write_text("x")
    argv = ["paper=1706.03762v5,1412.6980", "seed=1", f"paper={tmp_path}/draft.tex"]
    assert [(p.slug, p.version) for p in papers_in(argv)] == [
        ("arxiv_1706_03762", 5),
        ("arxiv_1412_6980", None),
        ("local_draft", None),
    ]
    assert papers_in(argv)[2].path == (tmp_path / "draft.tex").resolve()


@given(st.lists(any_id, min_size=1, max_size=4, unique=True), st.sampled_from(["", "+", "++"]))
@settings(deadline=None)
def test_hydra_reads_the_rewritten_override_as_the_slugs(ids: list[str], plus: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (rewritten,) = rewrite_paper_override([f"{plus}paper={','.join(ids)}"])
    override = OverridesParser.create().parse_override(rewritten)
    value = override.value()
    read = list(value.list) if override.is_choice_sweep() else [value]
    assert read == [PaperId.parse(id).slug for id in ids]


def test_a_packs_name_wins_over_a_folder_that_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of somebody's data, or a record's, would else hide the pack from every command."""
    (tmp_path / "local_draft").mkdir()
    monkeypatch.chdir(tmp_path)
    assert [(p.slug, p.path) for p in papers_in(["paper=local_draft"])] == [("local_draft", None)]
    assert [(p.slug, p.path) for p in papers_in(["paper=./local_draft"])] == [
        ("local_local_draft", tmp_path / "local_draft")
    ]
