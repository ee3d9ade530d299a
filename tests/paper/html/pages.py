# ruff: noqa: E501  markup reads worse when it is wrapped
"""Pages in LaTeXML's markup, in words of our own."""


def math(latex: str, shown: str = "", display: str = "inline") -> str:
    """A formula as LaTeXML writes it: LaTeX in alttext, and again as presentation, content and annotations."""
    escaped = latex.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    shown = shown or latex
    return (
        f'<math alttext="{escaped}" class="ltx_Math" display="{display}" id="m1"><semantics id="m1a"><mrow><mi>{shown}</mi>'
        f'</mrow><annotation-xml encoding="MathML-Content"><ci>{shown}</ci></annotation-xml>'
        f'<annotation encoding="application/x-tex">{escaped}</annotation>'
        f'<annotation encoding="application/x-llamapun">{shown} spelled out</annotation></semantics></math>'
    )


PM = math(r"_{\pm 0.3}")
FIVE = math("5")
RATE = math(r"10^{-3}", "10-3")
MEAN = math(r"y=\frac{1}{n}\sum_{i}x_{i}", display="block")


def cell(content: str, classes: str = "", tag: str = "td", **attributes: int) -> str:
    extra = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<{tag} class="ltx_td ltx_align_center {classes}"{extra}>{content}</{tag}>'


def bold(content: str) -> str:
    return f'<span class="ltx_text ltx_font_bold">{content}</span>'


RESULTS = (
    '<figure class="ltx_table" id="S2.T1"><figcaption class="ltx_caption ltx_centering"><span class="ltx_tag ltx_tag_table">'
    f'Table 1: </span>Accuracy over {FIVE} seeds, <span class="ltx_text ltx_font_italic">higher</span> is better.'
    '</figcaption><table class="ltx_tabular ltx_centering ltx_guessed_headers ltx_align_middle" id="S2.T1.1">'
    '<thead class="ltx_thead"><tr class="ltx_tr">'
    + cell("Model", "ltx_th ltx_th_column ltx_th_row ltx_border_tt", "th", rowspan=2)
    + cell("MNIST-1D", "ltx_th ltx_th_column ltx_border_tt", "th", colspan=2)
    + cell("Steps", "ltx_th ltx_th_column ltx_border_tt", "th", rowspan=2)
    + '</tr><tr class="ltx_tr">'
    + cell("plain", "ltx_th ltx_th_column", "th")
    + cell("shuffled", "ltx_th ltx_th_column", "th")
    + '</tr></thead><tbody class="ltx_tbody"><tr class="ltx_tr">'
    + cell("MLP", "ltx_th ltx_th_row ltx_border_t", "th")
    + cell(math(r"68.2\pm 0.4"), "ltx_border_t")
    + cell(f"{bold('94.1')}{PM}", "ltx_border_t")
    + cell(math(r"10^{3}", "103"), "ltx_border_t")
    + '</tr><tr class="ltx_tr">'
    + cell('CNN<sup class="ltx_sup">†</sup>', "ltx_th ltx_th_row ltx_border_bb", "th")
    + cell(math(r"\mathbf{94.0}"), "ltx_border_bb")
    + cell('<span class="ltx_text ltx_framed ltx_framed_underline">57</span>', "ltx_border_bb")
    + cell("-", "ltx_border_bb")
    + "</tr></tbody></table></figure>"
)

SPAN_TABLE = (
    '<figure class="ltx_table" id="S2.T2"><div class="ltx_inline-block ltx_align_center ltx_transformed_outer">'
    '<span class="ltx_transformed_inner"><span class="ltx_p"><span class="ltx_text"><span class="ltx_tabular ltx_align_middle">'
    '<span class="ltx_thead"><span class="ltx_tr">'
    '<span class="ltx_td ltx_th ltx_th_column">lr</span><span class="ltx_td ltx_th ltx_th_column ltx_colspan ltx_colspan_2">batch</span>'
    '</span></span><span class="ltx_tbody"><span class="ltx_tr"><span class="ltx_td">1e-4</span><span class="ltx_td">32</span>'
    '<span class="ltx_td">64</span></span></span></span></span></span></span></div>'
    '<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table 2: </span>Settings.</figcaption></figure>'
)

PANELS = (
    '<figure class="ltx_table" id="S2.T3"><div class="ltx_flex_figure ltx_flex_table">'
    + "".join(
        f'<div class="ltx_flex_cell ltx_flex_size_2"><figure class="ltx_table ltx_figure_panel" id="S2.T3.{name}">'
        f'<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">({name}) </span>{words}</figcaption>'
        f'<table class="ltx_tabular"><tbody><tr class="ltx_tr">{cell("x")}{cell(value)}</tr></tbody></table></figure></div>'
        for name, words, value in (("a", "Left", "1.5"), ("b", "Right", "2.5"))
    )
    + '</div><figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table 3: </span>Both.</figcaption></figure>'
)

NESTED = (
    '<figure class="ltx_table" id="A1.T4"><table class="ltx_tabular"><tbody class="ltx_tbody"><tr class="ltx_tr">'
    + cell(
        '<table class="ltx_tabular ltx_align_middle"><tr class="ltx_tr"><td class="ltx_td">two</td></tr>'
        '<tr class="ltx_tr"><td class="ltx_td">lines</td></tr></table>'
    )
    + cell('0.5 <span class="ltx_ERROR undefined">\\best</span>')
    + '</tr></tbody></table><figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table A1: </span>Notes.'
    "</figcaption></figure>"
)

EQUATIONS = (
    '<table class="ltx_equation ltx_eqn_table" id="S1.E1"><tbody><tr class="ltx_equation ltx_eqn_row ltx_align_baseline">'
    f'<td class="ltx_eqn_cell ltx_eqn_center_padleft"></td><td class="ltx_eqn_cell">{MEAN}'
    '</td><td rowspan="1" class="ltx_eqn_cell ltx_eqn_eqno"><span class="ltx_tag ltx_tag_equation ltx_align_right">(1)</span></td>'
    "</tr></tbody></table>"
)

PAGE = (
    '<!DOCTYPE html><html lang="en"><head><title>ignored</title><style>p{color:red}</style></head><body>'
    '<nav class="ltx_page_navbar">Report issue</nav><div class="ltx_page_main"><div class="ltx_page_content">'
    '<article class="ltx_document"><h1 class="ltx_title ltx_title_document">On Learning &amp; Testing</h1>'
    '<div class="ltx_authors"><span class="ltx_creator ltx_role_author"><span class="ltx_personname">Ada Example<sup>1</sup><br class="ltx_break">'
    'University of Somewhere</span></span><span class="ltx_creator ltx_role_author"><span class="ltx_personname">Ben Example</span></span></div>'
    '<div class="ltx_abstract"><h6 class="ltx_title ltx_title_abstract">Abstract</h6><p class="ltx_p">We reach '
    f"{math('94.1', '94.1')}% on a tiny task.</p></div>"
    '<section class="ltx_section" id="S1"><h2 class="ltx_title ltx_title_section"><span class="ltx_tag ltx_tag_section">1 </span>Method</h2>'
    f'<div class="ltx_para" id="S1.p1"><p class="ltx_p">The rate is {RATE} and x &lt; 3 holds<span class="ltx_note ltx_role_footnote" '
    'id="footnote1"><sup class="ltx_note_mark">1</sup><span class="ltx_note_outer"><span class="ltx_note_content"><sup class="ltx_note_mark">1</sup>'
    '<span class="ltx_tag ltx_tag_note">1</span>Tuned by hand.</span></span></span> throughout '
    '<cite class="ltx_cite ltx_citemacro_citep">(<a class="ltx_ref" href="#bib.bib1">Doe, 2020</a>)</cite>.</p></div>'
    f'<div class="ltx_para">{EQUATIONS}</div>'
    '<section class="ltx_subsection" id="S1.SS1"><h3 class="ltx_title ltx_title_subsection"><span class="ltx_tag ltx_tag_subsection">1.1 </span>Data</h3>'
    '<div class="ltx_para"><ul class="ltx_itemize"><li class="ltx_item"><span class="ltx_tag ltx_tag_item">•</span><div class="ltx_para">'
    '<p class="ltx_p">First item.</p></div></li><li class="ltx_item"><span class="ltx_tag ltx_tag_item">•</span><div class="ltx_para">'
    '<p class="ltx_p">Second item.</p></div></li></ul></div></section></section>'
    f'<section class="ltx_section" id="S2"><h2 class="ltx_title ltx_title_section"><span class="ltx_tag ltx_tag_section">2 </span>Results</h2>{RESULTS}'
    f"{SPAN_TABLE}{PANELS}"
    '<figure class="ltx_figure" id="S2.F1"><img class="ltx_graphics" src="x1.png" alt="Refer to caption"><figcaption class="ltx_caption">'
    '<span class="ltx_tag ltx_tag_figure">Figure 1: </span>A curve.</figcaption></figure>'
    '<div class="ltx_para"><p class="ltx_p">As Figure <span class="ltx_ref ltx_missing_label ltx_ref_self">LABEL:fig:lost</span> shows.</p></div></section>'
    '<section class="ltx_bibliography" id="bib"><h2 class="ltx_title ltx_title_bibliography">References</h2><ul class="ltx_biblist">'
    '<li class="ltx_bibitem" id="bib.bib1"><span class="ltx_tag ltx_role_refnum ltx_tag_bibitem">Doe (2020)</span>'
    '<span class="ltx_bibblock">J. Doe.</span><span class="ltx_bibblock">Learning to test. <a href="https://example.org/doe">link</a></span></li></ul></section>'
    f'<section class="ltx_appendix" id="A1"><h2 class="ltx_title ltx_title_appendix"><span class="ltx_tag ltx_tag_appendix">Appendix A </span>More</h2>{NESTED}</section>'
    '</article></div><footer class="ltx_page_footer">Generated by LaTeXML</footer></div><script>alert("no")</script></body></html>'
)
