"""What LaTeX's commands do with their arguments: which are shown, which set a style, which are dropped.

A signature has one letter per argument: `*` optional star, `o` bracketed, `p` parenthesised, `m` dropped, `d` a
dimension; a final `k` is an argument that is shown (it stays in the input). An empty signature drops the command alone.
"""

from __future__ import annotations

import re


def _spread(groups: dict[str, str]) -> dict[str, str]:
    """Name -> signature, from signature -> names."""
    return {name: signature for signature, names in groups.items() for name in names.split()}


STYLED: dict[str, dict[str, object]] = {
    **{
        name: {"bold": True}
        for name in ("bm bmath boldsymbol mathbf mathbfcal mathbfit mbf pmb symbf textbf textbfit").split()
    },
    **{name: {"italic": True} for name in ("emph hlit mathit mathsl textit textsl").split()},
    **{
        name: {"underline": True}
        for name in ("dashuline dotuline ul uline underbar underline underuline uuline uwave").split()
    },
}
"""Commands that set one argument in a style."""

SWITCHES: dict[str, dict[str, object]] = {
    **{name: {"bold": True} for name in ("bf bfit bfseries boldmath").split()},
    **{name: {"bold": False} for name in ("mdseries unboldmath").split()},
    **{name: {"italic": True} for name in ("em it itshape sl slshape").split()},
    **{name: {"italic": False} for name in ("upshape").split()},
    **{name: {"bold": False, "italic": False} for name in ("normalfont reset@font rm").split()},
}
"""Commands that set the rest of their group in a style."""

SIGNATURES: dict[str, str] = _spread(
    {
        "": (
            "! + - / : ; < = > ADLnullwide ADLnullwidehline aftergroup allowbreak arraybackslash backmatter "
            "balance bibfnamefont BibitemOpen bibliographyunits bibnamefont bibsep Big "
            "big bigbreak Bigg bigg Biggl biggl Biggm biggm Biggr biggr Bigl bigl Bigm bigm Bigr bigr bigskip "
            "bottomfraction boxed break cal cellalign centerdot centerfloat Centering centering centerline "
            "clap cleardoublepage clearpage clubpenalty colhead compact displaylimits displaystyle DontPrintSemicolon "
            "dotfill doublerulesep doublespacing enquote ExplSyntaxOff fbox fil "
            "filbreak fill filll FloatBarrier flushbottom footnotesize frenchspacing frontmatter fussy goodbreak "
            "hbox hfil hfill hl hrulefill hss Huge huge ignorespacesafterend immediate indent justifying LARGE "
            "Large large larger left leftline limits lineno linenumbers LinesNumbered listoffigures listoftables "
            "llap lowercase mainmatter makefirstuc makeindex MakeLowercase maketitle MakeUppercase mathbb mathbbm "
            "mathbfsf mathbin mathbm mathcal mathclap mathclose mathds mathfrak mathinner mathllap mathnormal "
            "mathop mathopen mathord mathpalette mathpunct mathrel mathrlap mathrm mathscr mathsf mathsfit "
            "mathstrut mathtt mbox medbreak medskip middle minus mit modulolinenumbers natexlab newblock newpage "
            "noalign nobibliography nobreak nofiles noindent nointerlineskip nolimits nolinenumbers nolinkurl "
            "normalbaselines normalcolor normalsize null offinterlineskip oldstylenums onecolumn onehalfspace "
            "onehalfspacing onlynotes overbrace overbracket path phantomcaption phantomsection plus printindex "
            "protect qedhere raggedbottom RaggedLeft raggedleft RaggedRight raggedright relax right rightline "
            "rlap rmfamily sc scriptscriptstyle scriptsize scriptstyle scshape selectfont SetAlgoLined sf "
            "sfdefault sffamily singlespacing sloppy small smallbreak smaller smallskip startcontents "
            "strut substack tableofcontents tabularxcolumn text textfraction textlarge textlf textls textmd "
            "textnormal textquote textrm textsc textscale textsf textsmall textsmaller textstyle texttt textup "
            "the theadfont tiny topfraction tothe tt ttfamily ttvar ulined underbrace underbracket unskip "
            "uppercase vbox vcenter vfil vfill vss vtop widowpenalty"
        ),
        "*k": ("citetext operatorname url"),
        "*m": ("hspace vspace vspace*"),
        "*mmk": ("resizebox"),
        "*mmmm": ("titlespacing"),
        "*mommmmo": ("titleformat"),
        "*om": ("DeclareCaptionSubType"),
        "*ommm": ("rowcolors"),
        "*ook": ("makecell thead"),
        "d": (
            "abovecaptionskip abovedisplayshortskip abovedisplayskip aboverulesep arraycolsep arrayrulewidth "
            "baselineskip belowcaptionskip belowdisplayshortskip belowdisplayskip belowrulesep bigskipamount "
            "cftbeforesecskip cmidrulesep cmidrulewidth columnsep columnwidth dblfloatsep dbltextfloatsep "
            "emergencystretch evensidemargin extrarowheight fboxrule fboxsep floatsep footskip hangafter "
            "hangindent hbadness headheight headsep heavyrulewidth hfuzz hoffset hsize hskip hyphenchar "
            "interdisplaylinepenalty interfootnotelinepenalty intextsep itemindent itemsep jot kern labelsep "
            "labelwidth leftmargin leftskip lightrulewidth lineskip linewidth listparindent looseness LTleft "
            "LTpost LTpre LTright marginparsep marginparwidth mkern mskip oddsidemargin paperheight paperwidth "
            "parindent parsep parskip partopsep pdfoutput penalty rightskip tabcolsep textfloatsep textheight "
            "textwidth tolerance topmargin topsep Urlmuskip vbadness vfuzz voffset vsize vskip write"
        ),
        "k": ("ce"),
        "m": (
            "abovespace acmBooktitle acmDOI acmISBN acmPrice acmYear affiliation algsetup AtEndDocument "
            "belowspace BibitemShut bibliographystyle bibliographyunit captionstyle cfoot chead cline "
            "cmidrulekern copyrightyear date email everydisplay everymath everypar everyrow extracolsep "
            "floatstyle fontencoding fontfamily fontshape geometry glossary hhline hphantom hypersetup "
            "hyphenation icmlkeywords icmltitlerunning index institution keywords lfoot lhead "
            "linespread lstset markright mathtoolsset mathversion message newbox newcount newdimen "
            "newread newsavebox newtoks newwrite nocite orcid pagecolor pagenumbering pagestyle pdfinfo "
            "pgfplotsset phantom printAffiliationsAndNotice raisetag RestyleAlgo restylefloat rfoot rhead rowfont "
            "rowstyle selectlanguage setarstrut setcopyright setmainfont setmonofont setsansfont setstretch "
            "settopmatter sisetup special subcaptionsetup tabletypesize tablewidth taburulecolor tcbset "
            "tcbuselibrary thanks theoremstyle thispagestyle tikzset tnotex typeout urlstyle usebox "
            "usemintedstyle usetikzlibrary vadjust vphantom"
        ),
        "mk": (
            "adjustbox bibfield bibinfo clipbox Eprint foreignlanguage href hyperlink hypertarget phantombox "
            "rotatefill sbox trimbox turnbox"
        ),
        "mm": (
            "addtolength algnewcommand algrenewcommand AtBeginEnvironment AtEndEnvironment bibAnnoteFile "
            "Crefformat crefformat creflabelformat DeclareCaptionFont DeclareCaptionLabelFormat "
            "DeclareUnicodeCharacter definecolorset definetcolor floatname fontsize GenericWarning hypernat "
            "icmlaffiliation icmlcorrespondingauthor icmlsetsymbol lstdefinestyle markboth newcites "
            "PackageWarning pgfmathsetmacro setkeys SetKw SetKwFunction SetKwInOut "
            "SetKwInput setlength settodepth settoheight settowidth setul setulcolor"
        ),
        "mmm": (
            "@setfontsize addcontentsline Crefname crefname crefrangeformat DeclareFontFamily definecolor providecolor "
            "specialrule"
        ),
        "mmmk": ("mathchoice"),
        "mmmm": ("@setsize apptocmd crefmultiformat pretocmd SetMathAlphabet usefont"),
        "mmmmm": ("DeclareMathAlphabet DeclareSymbolFont patchcmd"),
        "mmmmmm": ("setdefaultleftmargin"),
        "mo": ("cdashline hlineB Xcline Xhline"),
        "mok": ("scalebox"),
        "momm": ("newtcbox"),
        "mook": ("raisebox savebox"),
        "o": (
            "addlinespace allowdisplaybreaks bibsection bottomrule bottomrulec displaybreak firsthline hdashline "
            "hline lasthline linebreak listoftodos midrule midrulec nolinebreak nopagebreak pagebreak "
            "printbibliography qed qedsymbol toprule toprulec"
        ),
        "ok": ("cellbox Centerbox hyperref rothead Shortstack shortstack smash specialcell tcbox"),
        "om": (
            "addbibresource address arrayrulecolor captionlistentry captionsetup ccsdesc cellcolor cmidruleb "
            "color DeclareCaptionType documentclass doublerulesepcolor ExecuteBibliographyOptions "
            "fancyfoot fancyhead fancyhf LoadClass marginnote marginpar missingfigure RowStyle setlist "
            "setminted SetTblrInner SetTblrOuter sidenote tabucline todo"
        ),
        "omk": ("colorbox rotatebox textcolor"),
        "omm": ("algblock colorlet lstdefinelanguage newminted newtcolorbox pdfbookmark rule"),
        "ommk": ("fcolorbox"),
        "ommm": ("acmConference"),
        "omo": ("hdashlinelr"),
        "omoo": ("columncolor rowcolor"),
        "ook": ("framebox makebox"),
        "oom": ("newmdenv"),
        "ooomk": ("parbox"),
        "opm": ("cmidrule"),
    }
)
"""Commands that print nothing themselves, with their arguments."""

RULES = frozenset(
    (
        "addlinespace arrayrulecolor bottomrule bottomrulec cdashline cline cmidrule doublerulesepcolor "
        "firsthline hdashline hdashlinelr hhline hline hlineB lasthline midrule midrulec morecmidrules "
        "noalign rowcolors rowfont RowStyle SetRow specialrule tabucline toprule toprulec Xcline Xhline"
    ).split()
)
"""Commands that stand between rows of a table."""
FULL_RULES = frozenset(
    (
        "bottomrule bottomrulec firsthline hdashline hdashlinelr hhline hline hlineB lasthline midrule "
        "midrulec specialrule tabucline toprule toprulec Xhline"
    ).split()
)

RULE_NAME = re.compile(r"(?:[A-Za-z]*[hH]line|[a-z]*(?:top|mid|bottom|bot|thick|thin|heavy)(?:line|rule))[A-Za-z]{0,2}")
"""What a command is called that no file of the paper defines and that can only be a rule between rows."""

GRIDS: dict[str, str] = _spread(
    {
        "b": ("longtabu tabu"),
        "mos": ("ltablex tabular* tabularht tabularx tabulary"),
        "moso": ("NiceTabular* NiceTabularX"),
        "ms": ("supertabular* widetabular"),
        "oms": ("xltabular"),
        "os": ("longtable tabular tabularew tabularkv"),
        "oso": ("NiceTabular"),
        "ot": ("longtblr talltblr tblr"),
        "s": ("deluxetable deluxetable* mpsupertabular mpxtabular supertabular xtabular"),
    }
)
"""Environments that are grids of cells, with their arguments: `o` and `m` dropped, `s` columns, `t` tabularray's
keys, `b`
tabu's width and columns."""

_FLOATS: dict[tuple[str, str], str] = {
    ("table", "o"): ("margintable rotatedtable sidewaystable sidewaystable* suptable table table*"),
    ("figure", "o"): ("figure figure* marginfigure rotatedfigure sidewaysfigure sidewaysfigure* teaserfigure"),
    ("table", "omom"): ("wraptable wraptable*"),
    ("figure", "omom"): ("wrapfigure wrapfigure*"),
    ("table", "oo"): ("SCtable SCtable*"),
    ("figure", "oo"): ("SCfigure SCfigure*"),
    ("table", "om"): ("floatingtable"),
    ("figure", "om"): ("floatingfigure"),
    ("algorithm", "o"): ("algorithm algorithm* algorithm2e"),
    ("figure", "momom"): ("wrapfloat"),
    ("listing", "o"): ("listing"),
    ("scheme", "o"): ("scheme"),
}
FLOATS = {name: what for what, names in _FLOATS.items() for name in names.split()}
"""Float environments: what they count as, and their arguments."""

DISPLAYS = frozenset(
    (
        "align align* alignat alignat* displaymath dmath dmath* empheq eqnarray eqnarray* equation equation* "
        "flalign flalign* gather gather* IEEEeqnarray IEEEeqnarray* multline multline*"
    ).split()
)
"""Environments that are displayed formulas."""
ROWED = frozenset(("align alignat eqnarray flalign gather IEEEeqnarray").split())
"""Displays that number every row."""
VERBATIM = frozenset(
    (
        "alltt BVerbatim filecontents filecontents* lstlisting LVerbatim minted pygmented python pyverbatim "
        "semiverbatim spverbatim tcblisting Verbatim verbatim verbatim*"
    ).split()
)
IGNORED = frozenset(("CCSXML comment filecontents filecontents*").split())
"""Environments whose content is no part of the paper."""
DRAWINGS = frozenset(("asy circuitikz feynman forest pgfpicture picture pspicture tikzcd tikzpicture").split())
"""Environments that draw with LaTeX itself."""
SCOPED = frozenset(
    ("minipage sub subcaptionblock subcaptiongroup subfigure subfigure* subfloat subtable subtable*").split()
)
"""Environments that hold a caption and what it belongs to."""

ARGUMENTS: dict[str, str] = _spread(
    {
        "": ("landscape measuredfigure savenotes sidewaysbox SingleSpace subequations subfloat ThreePartTable"),
        "m": (
            "adjustbox alignat alignat* colorbox lrbox multicols* NiceArray otherlanguage paracol rotate "
            "scaletikzpicturetowidth spacing subarray thebibliography turn"
        ),
        "mm": ("adjustwidth adjustwidth* changemargin CJK CJK* list resizebox"),
        "mo": ("multicols"),
        "momom": ("wrapfloat"),
        "o": (
            "algorithmic aligned compactenum compactitem description enumerate floatrow gathered inparaenum "
            "itemize mdframed scope strip tablenotes tcolorbox threeparttable"
        ),
        "om": ("alignedat empheq IEEEeqnarray"),
        "omm": ("restatable"),
        "oms": ("array"),
        "ooom": ("minipage subcaptionblock subfigure subtable"),
    }
)
"""Arguments of other environments."""

LEVELS = {"part": 0, "chapter": 0, "section": 1, "subsection": 2, "subsubsection": 3, "paragraph": 4, "subparagraph": 5}
KEPT = frozenset(
    [
        *LEVELS,
        *GRIDS,
        *FLOATS,
        *DISPLAYS,
        *(
            "abstract appendix author begin bf bibitem bibliography bottomrule caption cellcolor cline cmidrule "
            "def document documentclass emph end footnote frac hline include includegraphics input it item label "
            "makecell maketitle mathbf midrule multicolumn multirow newcommand newline par ref rowcolor section* "
            "shortstack sqrt textbf textcolor textit title toprule underline usepackage verb"
        ).split(),
    ]
)
"""Commands whose meaning here no style file or preamble can take away."""
