"""The one style sheet of a report's page: both schemes, narrow screens, paper. The page allows nothing else."""

from __future__ import annotations

import base64
import hashlib

_LIGHT = (
    "--paper:#fff;--ink:#1b1b1b;--soft:#595959;--rule:#d4d4d4;--sunk:#f4f4f2;"
    "--green:#176b2c;--amber:#8a5200;--red:#b00020;--grey:#757575;"
    "--c1:#1f5fae;--c2:#b4530a;--c3:#7a3fa0;--c4:#0b7069;--fault:#b0002014;--faultedge:#b00020"
)
_DARK = (
    "--paper:#161616;--ink:#e8e8e8;--soft:#b0b0b0;--rule:#444;--sunk:#222;"
    "--green:#7ddb93;--amber:#ffc46b;--red:#ff8a94;--grey:#9a9a9a;"
    "--c1:#7fb2ff;--c2:#ffb066;--c3:#cf9bff;--c4:#5fd3cb;--fault:#ff8a9422;--faultedge:#ff8a94"
)

STYLE = f"""\
:root{{color-scheme:light dark;{_LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media print{{:root{{color-scheme:light;{_LIGHT}}}}}
*{{box-sizing:border-box}}
body{{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:62rem;padding:1.5rem 1.25rem 3rem}}
body{{color:var(--ink);background:var(--paper);overflow-wrap:anywhere}}
h1{{font-size:1.6rem;line-height:1.25;margin:0 0 .75rem}}
h2{{font-size:1.2rem;margin:2.25rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.25rem}}
h3{{font-size:1rem;margin:1.4rem 0 .4rem}}
article+article{{margin-top:4rem;border-top:4px solid var(--rule);padding-top:2rem}}
p{{margin:.5rem 0}}
.soft{{color:var(--soft)}}
small{{font-size:.84rem;color:var(--soft);display:block;line-height:1.35}}
table{{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}}
th,td{{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--rule)}}
th{{font-weight:600}}
thead th{{color:var(--soft);font-weight:400;font-size:.84rem}}
tbody th{{font-weight:500;min-width:5.6rem}}
thead th{{overflow-wrap:normal}}
.badge{{display:inline-block;padding:0 .5rem;border-radius:.6rem;border:1.5px solid currentColor;font-weight:600}}
.badge{{white-space:nowrap;overflow-wrap:normal}}
.excellent,.good,.met,.better{{color:var(--green)}}
.warning{{color:var(--amber)}}
.critical,.missed,.worse{{color:var(--red)}}
.none{{color:var(--soft)}}
.lead .badge{{font-size:1.2rem;padding:.1rem .8rem}}
.alarm{{border-left:4px solid var(--red);padding:.1rem 0 .1rem 1rem}}
pre{{background:var(--sunk);border:1px solid var(--rule);border-radius:4px;padding:.7rem;font-size:.84rem}}
pre{{overflow-x:auto;overflow-wrap:normal}}
code{{font-family:ui-monospace,monospace;font-size:.92em}}
blockquote{{margin:.75rem 0;padding:.1rem 0 .1rem 1rem;border-left:3px solid var(--amber)}}
figure{{margin:1.5rem 0}}
figcaption{{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;align-items:baseline;margin-bottom:.3rem}}
.key{{font-size:.84rem;color:var(--soft);white-space:nowrap}}
.swatch{{margin-right:.35rem}}
svg.plot{{display:block;max-width:100%;height:auto}}
.narrow{{display:none}}
.tables{{columns:2;column-gap:2.5rem}}
.tables section{{break-inside:avoid}}
.tables h3{{margin-top:0}}
.tables section{{padding-bottom:1.4rem}}
.tables .whole{{column-span:all}}
.grid{{stroke:var(--rule);stroke-width:1}}
.axis{{stroke:var(--soft);stroke-width:1}}
svg text{{font:12px system-ui,sans-serif;fill:var(--soft)}}
svg .marklabel,svg .wonlabel{{fill:var(--ink);font-weight:600}}
svg .marklabel,svg .faultlabel{{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}}
.figure{{white-space:nowrap;overflow-wrap:normal}}
svg .faultlabel{{fill:var(--faultedge);font-weight:600}}
.fault{{fill:var(--fault);stroke:var(--faultedge);stroke-width:1;stroke-dasharray:3 3}}
.mark{{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:4 3}}
.line{{fill:none;stroke-width:2;stroke-linejoin:round}}
.line.first{{stroke:var(--c1)}}.line.second{{stroke:var(--c2)}}
.line.third{{stroke:var(--c3)}}.line.fourth{{stroke:var(--c4)}}.line.won{{stroke:var(--green)}}
.fill.first,.fill.accepted{{fill:var(--c1)}}.fill.second,.fill.rejected{{fill:var(--c2)}}
.fill.third{{fill:var(--c3)}}.fill.fourth{{fill:var(--c4)}}
.fill.won{{fill:var(--green)}}.fill.lost{{fill:var(--grey)}}.fill.failed,.fill.violated{{fill:var(--red)}}
.fill.unjudged,.fill.open{{fill:none;stroke:var(--grey);stroke-width:1.5;stroke-dasharray:3 2}}
.cross{{stroke:var(--paper);stroke-width:2.5;fill:none}}
@media(max-width:640px){{
body{{padding:1rem 1.25rem 2rem}}
h1{{font-size:1.3rem}}
.wide{{display:none}}
.narrow{{display:block}}
.tables{{columns:1}}
th,td{{padding-right:.5rem;font-size:.92rem}}
}}
@media print{{
body{{max-width:none;padding:0;font-size:11pt}}
figure,tr,pre{{break-inside:avoid}}
h2,h3{{break-after:avoid}}
pre{{white-space:pre-wrap;overflow-wrap:anywhere}}
}}
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

# Nothing is fetched and nothing runs; whatever a target might smuggle into a sentence stays text.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none'"
)
