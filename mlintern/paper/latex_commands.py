"""What LaTeX's commands do with their arguments: which are shown, which set a style, which are dropped.

A signature has one letter per argument: `*` optional star, `o` bracketed, `p` parenthesised, `m` dropped, `d` a
dimension; a final `k` is an argument that is shown (it stays in the input). An empty signature drops the command alone.
"""

from __future__ import annotations

from mlintern.paper.latex_ink import Style

STYLED: dict[str, dict[str, object]] = {
    **dict.fromkeys(
        "textbf mathbf bm boldsymbol pmb mathbfit symbf mathbfcal textbfit bmath mbf hl@".split(), {"bold": True}
    ),
    **dict.fromkeys("textit emph mathit textsl mathsl hlit".split(), {"italic": True}),
    **dict.fromkeys(
        "underline ul uline uuline uwave dashuline dotuline underbar underuline".split(), {"underline": True}
    ),
}
"""Commands that set one argument in a style."""

SWITCHES: dict[str, dict[str, object]] = {
    **dict.fromkeys("bf bfseries boldmath bfit".split(), {"bold": True}),
    **dict.fromkeys("mdseries unboldmath".split(), {"bold": False}),
    **dict.fromkeys("it itshape em sl slshape".split(), {"italic": True}),
    **dict.fromkeys("upshape".split(), {"italic": False}),
    **dict.fromkeys("normalfont rm reset@font".split(), {"bold": False, "italic": False}),
}
"""Commands that set the rest of their group in a style."""

_DROPPED = {
    "": (
        "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge centering raggedright raggedleft flushleft@ "
        "noindent indent par@ maketitle newpage clearpage cleardoublepage pagebreak@ smallskip medskip bigskip hfill vfill "
        "hrulefill dotfill null strut vss hss hfil vfil allowbreak sloppy fussy protect limits nolimits displaystyle textstyle "
        "scriptstyle scriptscriptstyle displaylimits nonumber@ tt ttfamily sffamily rmfamily sc scshape sf cal mit "
        "selectfont frenchspacing singlespacing doublespacing onehalfspacing twocolumn@ onecolumn tableofcontents listoffigures listoftables balance flushbottom "
        "raggedbottom bgroup egroup begingroup endgroup newline@ linebreak@ nobreak nolinebreak@ break penalty@ "
        "toprule@ arraybackslash tabularnewline@ relax ignorespacesafterend "
        "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm Bigm biggm Biggm middle mathstrut "
        "hbox@ vbox vtop vcenter quad@ appendices@ FloatBarrier onehalfspace nofiles makeindex printindex "
        "bottomrule@ endfirsthead@ leavevmode@ unskip @ / - ! , ; : > + = < - "
        "itshape@ justifying Centering RaggedRight RaggedLeft normalcolor qedhere qedsymbol@ nocite@ iint@ mathpalette "
        "makeatletter@ compact onlynotes topfraction bottomfraction textfraction nobibliography bibsep hphantom@ "
        "doublerulesep normalbaselines lineno linenumbers nolinenumbers modulolinenumbers startcontents smallbreak medbreak "
        "bigbreak filbreak goodbreak ExplSyntaxOff mainmatter frontmatter backmatter phantomsection crefname@ RestyleAlgo@ "
        "scshape@ minus plus fil fill filll clubpenalty widowpenalty noalign tabularxcolumn nointerlineskip offinterlineskip "
        "textsc mathrm mathsf mathtt mathcal mathbb mathfrak mathscr mathds mathbbm mathnormal text textrm textsf texttt "
        "textup textnormal textmd mbox hbox fbox framebox@ operatorname@ mathop mathbin mathrel mathord mathopen mathclose "
        "mathpunct mathinner ensuremath textlf oldstylenums smash@ center@ url@ path nolinkurl uppercase lowercase "
        "MakeUppercase MakeLowercase makefirstuc textls boxed sout st xout cancel bcancel xcancel hl llap rlap clap mathllap mathrlap mathclap "
        "underbrace overbrace underbracket overbracket substack texorpdfstring@ centerline leftline rightline lstinline@ "
        "mathsfit mathbfsf mathbm textquote enquote nicefrac@ cellalign theadfont tothe ulined centerdot "
        "ttvar code@ sfdefault emph@ thead@ protected@ textlarge textsmall textsmaller smaller relsize@ larger textscale "
    ).split(),
    "m": (
        "vspace@ hspace@ label@ bibliographystyle pagestyle thispagestyle pagenumbering hypersetup lstset captionsetup@ "
        "phantom hphantom vphantom includeonly usetikzlibrary pgfplotsset tikzset index glossary sisetup geometry "
        "urlstyle arrayrulecolor@ nocite vspace hypertarget@ addbibresource@ bibpunct@ setstretch selectlanguage "
        "foreignlanguage@ linespread color@ fontfamily fontseries fontshape fontencoding marginpar@ rowfont "
        "Crefname@ todo@ missingfigure@ iclrfinalcopy@ pdfinfo graphicspath@ captionstyle stepcounter@ "
        "DeclareCaptionLabelFormat@ crefalias@ mathversion theoremstyle addcontentsline@ pdfoutput@ algsetup floatstyle "
        "eqparbox@ thanks@ setmainfont setsansfont setmonofont newtoggle@ printbibliography@ bibliographyunit extracolsep hyphenation raisetag intertext@ "
        "AtBeginDocument@ AtEndDocument AtBeginEnvironment@ newsavebox newlength newdimen@ newcount@ newskip@ newtoks@ newbox@ "
        "definecolor@ doublespacing@ pagecolor restylefloat pdfminorversion@ makeglossaries@ arxiv@ "
        "hhline@ cmidrulekern tablewidth tabletypesize dates@ usefont@ abovespace belowspace phantomcaption@ "
    ).split(),
    "mm": (
        "setlength addtolength settowidth settoheight settodepth setcounter@ fontsize DeclareGraphicsExtensions@ "
        "newfloat@ DeclareMathAlphabet@ definecolorset floatname crefalias@ setkeys hypernat rule@ algrenewcommand algnewcommand "
        "AtBeginEnvironment AtEndEnvironment pretocmd@ patchcmd@ SetTblrInner SetTblrOuter DeclareCaptionFont "
        "DeclareCaptionLabelFormat setul setulcolor setlist@ newcites titlespacing@ definetcolor"
    ).split(),
    "mmm": "definecolor crefname Crefname addcontentsline providecolor DeclareFontFamily crefrangeformat specialrule colorlet@".split(),
    "mmmm": "usefont titleformat@ SetMathAlphabet DeclarePairedDelimiterX@ pretocmd apptocmd".split(),
    "mmmmm": "patchcmd DeclareMathAlphabet SetMathAlphabet@ DeclareSymbolFont DeclareFontShape@".split(),
    "*m": "hspace vspace vspace* titlespacing@ labelcref@".split(),
    "o": (
        "toprule midrule bottomrule hline hdashline pagebreak nopagebreak linebreak nolinebreak displaybreak twocolumn "
        "printbibliography addlinespace tableofcontents@ maketitle@ qed toprulec bottomrulec midrulec Xhline@ firsthline "
        "lasthline hlineB@ rotcaption@ qedsymbol bibsection smash@ listoftodos"
    ).split(),
    "om": (
        "captionsetup lstset@ rowcolor columncolor cellcolor arrayrulecolor doublerulesepcolor color pagecolor@ setlist index@ "
        "documentclass LoadClass PassOptionsToPackage@ ExecuteBibliographyOptions todo missingfigure lstinputlisting@ bibliographystyle@ "
        "DeclareFixedFootnote@ cmidruleb rowcolors@ marginpar addbibresource savebox@ sidenote captionlistentry marginnote"
    ).split(),
    "*ommm": "rowcolors".split(),
    "omm": "colorlet titlecontents@ hypersetup@ titleformat@ newtcolorbox newmdenv@ mdfdefinestyle@".split(),
    "opm": "cmidrule".split(),
    "m@": "cline".split(),
    "mo": "cdashline Xhline Xcline hlineB cdashlinelr@".split(),
    "omo@": "hdashlinelr".split(),
    "mm@": "DeclareOption@".split(),
    "odd": "rule@".split(),
    "k": "textsc@".split(),
    "omk": "textcolor colorbox rotatebox@ parbox@ tcbox@ textlarge@".split(),
    "ommk": "fcolorbox".split(),
    "*mmk": "resizebox".split(),
    "mok": "scalebox".split(),
    "mook": "raisebox".split(),
    "ooomk": "parbox".split(),
    "ook": "makebox framebox".split(),
    "omk ": "rotatebox".split(),
    "mk": "href hyperlink hypertarget adjustbox foreignlanguage trimbox clipbox hyperref@ rotatefill phantombox colorlet@@ turnbox".split(),
    "ok": "smash tcbox fcolorbox@ minipagebox@ hyperref thead rothead cellbox Centerbox".split(),
    "*k": "operatorname url citetext".split(),
    "ommm": "DeclareFontShape@".split(),
    "oom": "newmdenv".split(),
    "*mm": "titlespacing@@".split(),
}
SIGNATURES: dict[str, str] = {
    name: signature.strip().rstrip("@")
    for signature, names in _DROPPED.items()
    for name in names
    if not name.endswith("@")
}
SIGNATURES |= {
    "rule": "omm", "cline": "m", "hhline": "m", "hdashline": "o", "titlespacing": "*mmmm", "titleformat": "*mommmmo", "makecell": "*ook",
    "shortstack": "ok", "Shortstack": "ok", "thead": "*ook", "multirowcell": "@", "specialcell": "ok", "fontsize": "mm", "vskip": "d",
    "hskip": "d", "kern": "d", "mkern": "d", "mskip": "d", "hangindent": "d", "thanks": "m", "extrarowheight": "d", "subref": "*m@",
    "penalty": "d", "hangafter": "d", "pdfoutput": "d", "tolerance": "d", "emergencystretch": "d", "interdisplaylinepenalty": "d",
    "RestyleAlgo": "m", "SetKwInOut": "mm", "SetKwFunction": "mm", "SetKwInput": "mm", "SetKw": "mm", "SetAlgoLined": "", "DontPrintSemicolon": "",
    "LinesNumbered": "", "phantomcaption": "", "cmidrulewidth": "d", "rowcolors": "*ommm", "lstdefinestyle": "mm", "lstdefinelanguage": "omm",
    "newdimen": "m", "newcount": "m", "newskip": "m", "newtoks": "m", "newbox": "m", "newread": "m", "newwrite": "m", "usebox": "m", "sbox": "mm",
    "savebox": "moom", "tikz": "om", "pgfplotstableread": "mm", "bibliographyunits": "", "hypersetup": "m", "acmConference": "ommm",
    "acmBooktitle": "m", "acmPrice": "m", "acmDOI": "m", "acmISBN": "m", "acmYear": "m", "setcopyright": "m", "copyrightyear": "m", "ccsdesc": "om",
    "keywords": "m", "settopmatter": "m", "orcid": "m", "email": "m", "affiliation": "m", "institution": "m", "address": "om", "date": "m",
    "icmltitlerunning": "m", "icmlkeywords": "m", "icmlaffiliation": "mm", "icmlcorrespondingauthor": "mm", "icmlsetsymbol": "mm",
    "printAffiliationsAndNotice": "m", "newblock": "", "bibinfo": "mk", "bibfield": "mk", "bibnamefont": "", "bibfnamefont": "", "natexlab": "",
    "Eprint": "mk", "BibitemOpen": "", "BibitemShut": "m", "bibAnnoteFile": "mm", "providecommand@": "", "typeout": "m", "message": "m",
    "GenericWarning": "mm", "PackageWarning": "mm", "write": "d", "immediate": "", "special": "m", "vadjust": "m", "mathchoice": "mmmk",
    "crefformat": "mm", "Crefformat": "mm", "creflabelformat": "mm", "crefmultiformat": "mmmm", "allowdisplaybreaks": "o", "setarstrut": "m",
    "DeclareUnicodeCharacter": "mm", "DeclareRobustCommand@": "", "DeclareCaptionType": "om", "pdfbookmark": "omm", "markboth": "mm", "markright": "m",
    "fancyhf": "om", "fancyhead": "om", "fancyfoot": "om", "lhead": "m", "rhead": "m", "chead": "m", "cfoot": "m", "lfoot": "m", "rfoot": "m",
    "setdefaultleftmargin": "mmmmmm", "newtcbox": "momm", "tcbset": "m", "tcbuselibrary": "m", "DeclareCaptionSubType": "*om", "pgfmathsetmacro": "mm",
    "setminted": "om", "usemintedstyle": "m", "newminted": "omm", "ce": "k", "tnotex": "m", "xdef@": "", "mathtoolsset": "m", "Urlmuskip": "d",
    "algblock": "omm", "hyphenchar": "d", "interfootnotelinepenalty": "d", "everypar": "m", "everymath": "m", "everydisplay": "m", "qedhere": "",
    "centerfloat": "", "arrayrulewidth": "d", "heavyrulewidth": "d", "lightrulewidth": "d", "ADLnullwide": "", "ADLnullwidehline": "",
    "subcaptionsetup": "m", "captionabove": "@", "tabucline": "om", "everyrow": "m", "taburulecolor": "m", "rowstyle": "m", "RowStyle": "om",
    "leftskip": "d", "rightskip": "d", "tabcolsep": "d", "parindent": "d", "parskip": "d", "textwidth": "d", "textheight": "d", "topmargin": "d",
    "oddsidemargin": "d", "evensidemargin": "d", "columnsep": "d", "baselineskip": "d", "abovecaptionskip": "d", "belowcaptionskip": "d",
    "textfloatsep": "d", "floatsep": "d", "intextsep": "d", "dbltextfloatsep": "d", "dblfloatsep": "d", "abovedisplayskip": "d", "belowdisplayskip": "d",
    "abovedisplayshortskip": "d", "belowdisplayshortskip": "d", "fboxsep": "d", "fboxrule": "d", "arraycolsep": "d", "columnwidth": "d",
    "linewidth": "d", "aboverulesep": "d", "belowrulesep": "d", "cmidrulesep": "d", "jot": "d", "topsep": "d", "itemsep": "d", "parsep": "d",
    "partopsep": "d", "leftmargin": "d", "labelsep": "d", "voffset": "d", "hoffset": "d", "headheight": "d", "headsep": "d", "footskip": "d",
    "hsize": "d", "vsize": "d", "itemindent": "d", "labelwidth": "d", "listparindent": "d", "marginparwidth": "d", "marginparsep": "d",
    "paperwidth": "d", "paperheight": "d", "LTleft": "d", "LTright": "d", "LTpre": "d", "LTpost": "d", "bigskipamount": "d", "cftbeforesecskip": "d",
    "hfuzz": "d", "vfuzz": "d", "hbadness": "d", "vbadness": "d", "looseness": "d", "lineskip": "d", "skip": "m@", "aftergroup": "", "the": "",
}  # fmt: skip
SIGNATURES = {name: s for name, s in SIGNATURES.items() if "@" not in s and not name.endswith("@")}

RULES = frozenset(
    "hline toprule midrule bottomrule cmidrule cline hhline Xhline hdashline cdashline specialrule addlinespace firsthline "
    "lasthline Xcline hlineB arrayrulecolor noalign morecmidrules toprulec midrulec bottomrulec tabucline hdashlinelr "
    "SetRow rowcolors doublerulesepcolor rowfont RowStyle".split()
)
"""Commands that stand between rows of a table."""
FULL_RULES = frozenset(
    "hline toprule midrule bottomrule Xhline hdashline specialrule hhline firsthline lasthline hlineB hdashlinelr tabucline "
    "toprulec midrulec bottomrulec".split()
)

GRIDS: dict[str, str] = {
    "tabular": "os", "tabular*": "mos", "tabularx": "mos", "tabulary": "mos", "longtable": "os", "supertabular": "s", "supertabular*": "ms",
    "xtabular": "s", "mpsupertabular": "s", "mpxtabular": "s", "NiceTabular": "oso", "NiceTabular*": "moso", "NiceTabularX": "moso",
    "tblr": "ot", "talltblr": "ot", "longtblr": "ot", "booktabs": "ot", "tabu": "b", "longtabu": "b", "ltablex": "mos", "xltabular": "oms",
    "tabularew": "os", "deluxetable": "s", "deluxetable*": "s", "widetabular": "ms", "tabular@": "os", "tabularht": "mos", "tabularkv": "os",
}  # fmt: skip
"""Environments that are grids of cells, with their arguments: `o`, `m` dropped, `s` the columns, `t` tabularray's keys, `b` tabu's `to`."""

FLOATS: dict[str, tuple[str, str]] = {
    **dict.fromkeys("table table* sidewaystable sidewaystable* margintable rotatedtable".split(), ("table", "o")),
    **dict.fromkeys("figure figure* sidewaysfigure sidewaysfigure* marginfigure teaserfigure rotatedfigure".split(), ("figure", "o")),
    "wraptable": ("table", "omom"), "wrapfigure": ("figure", "omom"), "wraptable*": ("table", "omom"), "wrapfigure*": ("figure", "omom"),
    "SCtable": ("table", "oo"), "SCfigure": ("figure", "oo"), "SCtable*": ("table", "oo"), "SCfigure*": ("figure", "oo"),
    "floatingtable": ("table", "om"), "floatingfigure": ("figure", "om"), "algorithm": ("algorithm", "o"), "algorithm*": ("algorithm", "o"),
    "algorithm2e": ("algorithm", "o"), "wrapfloat": ("figure", "momom"), "listing": ("listing", "o"), "scheme": ("scheme", "o"), "suptable": ("table", "o"),
}  # fmt: skip
"""Float environments: what they count as, and their arguments."""

DISPLAYS = frozenset(
    "equation equation* align align* gather gather* multline multline* eqnarray eqnarray* displaymath flalign flalign* "
    "alignat alignat* dmath dmath* math@ subequations@ IEEEeqnarray IEEEeqnarray* empheq".split()
)
ROWED = frozenset("align gather eqnarray flalign alignat IEEEeqnarray".split())
"""Displays that number every row."""
VERBATIM = frozenset(
    "verbatim verbatim* lstlisting Verbatim BVerbatim LVerbatim minted alltt spverbatim filecontents filecontents* "
    "pyverbatim python code@ tcblisting semiverbatim pygmented".split()
)
IGNORED = frozenset("comment CCSXML CJKfilt@ filecontents filecontents*".split())
DRAWINGS = frozenset(
    "tikzpicture pgfpicture tikzcd pspicture picture forest axis@ overpic@ feynman asy circuitikz".split()
)
SCOPED = frozenset(
    "minipage subtable subfigure subcaptionblock subcaptiongroup subtable* subfigure* subfloat sub".split()
)
ARGUMENTS: dict[str, str] = {
    "minipage": "ooom", "subtable": "ooom", "subfigure": "ooom", "subcaptionblock": "ooom", "array": "oms", "adjustbox": "m", "multicols": "mo",
    "multicols*": "m", "thebibliography": "m", "tcolorbox": "o", "mdframed": "o", "enumerate": "o", "itemize": "o", "description": "o",
    "compactitem": "o", "inparaenum": "o", "compactenum": "o", "wrapfloat": "momom", "alignat": "m", "alignat*": "m", "turn": "m", "rotate": "m",
    "threeparttable": "o", "tablenotes": "o", "adjustwidth": "mm", "adjustwidth*": "mm", "spacing": "m", "aligned": "o", "alignedat": "om",
    "gathered": "o", "restatable": "omm", "algorithmic": "o", "landscape": "", "scope": "o", "CJK": "mm", "CJK*": "mm", "list": "mm", "IEEEeqnarray": "om",
    "lrbox": "m", "empheq": "om", "ThreePartTable": "", "subequations": "", "savenotes": "", "SingleSpace": "", "subfloat": "", "paracol": "m",
    "changemargin": "mm", "resizebox": "mm", "scaletikzpicturetowidth": "m", "measuredfigure": "", "floatrow": "o", "strip": "o", "otherlanguage": "m",
    "NiceArray": "m", "subarray": "m", "sidewaysbox": "", "colorbox": "m",
}  # fmt: skip

LEVELS = {"part": 0, "chapter": 0, "section": 1, "subsection": 2, "subsubsection": 3, "paragraph": 4, "subparagraph": 5}
KEPT = frozenset(
    [*LEVELS, *GRIDS, *FLOATS, *DISPLAYS]
    + "begin end caption label title author abstract item includegraphics multirow multicolumn bibliography bibitem appendix maketitle "
    "section* textbf textit emph hline toprule midrule bottomrule cmidrule cline footnote input include documentclass newcommand def ref "
    "usepackage document bf it underline mathbf verb frac sqrt makecell shortstack rowcolor cellcolor textcolor newline par".split()
)
"""Commands whose meaning here no style file or preamble can take away."""

BASE_STYLE = Style()
