/*
 * web/style.c -- how pages look: one sheet, carried by each page itself, so that it comes whatever path a proxy puts
 * before us, and one icon. Colours come in two sets, by the wish of the reader's system.
 */
#include "web/pages.h"

static const char style[] =
    ":root{color-scheme:light dark;--fg:#1b2330;--mut:#586374;--bg:#eef1f5;--card:#fff;--line:#d9dfe7;--soft:#f5f7fa;"
    "--acc:#1f52cc;--on:#fff;--ok:#15703a;--oksoft:#e6f5ec;--bad:#b3261e;--badsoft:#fdecea;--warnsoft:#fff5df;--warn:#"
    "7a5200}"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6eaf0;--mut:#9ba7b6;--bg:#0f1318;--card:#191f27;--line:#2c3542;"
    "--soft:#12171e;--acc:#86a9ff;--on:#0f1318;--ok:#5bd68a;--oksoft:#12291c;--bad:#ff8f86;--badsoft:#331715;"
    "--warnsoft:#2e2410;--warn:#f3c969}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:flex;flex-direction:column;background:var(--bg);color:var(--fg);"
    "font:17px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;-webkit-text-size-adjust:100%}"
    "header{display:flex;align-items:center;gap:.6rem;max-width:38rem;width:100%;margin:0 auto;padding:1.4rem 1.1rem "
    ".9rem;"
    "font-weight:600}header svg{width:1.9rem;height:1.9rem;flex:none}"
    "main{flex:1;max-width:38rem;width:100%;margin:0 auto;padding:0 1.1rem}"
    "article{background:var(--card);border:1px solid var(--line);border-radius:16px;padding:1.6rem;"
    "box-shadow:0 1px 2px rgba(16,24,40,.06),0 8px 24px rgba(16,24,40,.06)}"
    "h1{font-size:1.45rem;line-height:1.25;margin:0 0 .8rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:1.6rem "
    "0 .4rem}"
    "p{margin:.6rem 0;overflow-wrap:anywhere}"
    "pre{position:relative;background:var(--soft);border:1px solid var(--line);border-radius:10px;padding:.8rem .9rem;"
    "margin:.7rem 0;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all;-webkit-user-select:all}"
    "code{font:.88em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    "dl{display:grid;grid-template-columns:max-content 1fr;margin:1.1rem 0;border:1px solid "
    "var(--line);border-radius:12px;"
    "overflow:hidden}dt,dd{margin:0;padding:.55rem .9rem;border-top:1px solid var(--line)}"
    "dt:first-of-type,dt:first-of-type+dd{border-top:0}dt{color:var(--mut);background:var(--soft);padding-right:1.2rem}"
    "dd{overflow-wrap:anywhere;font-weight:500}dd.key{font-weight:400;font-family:ui-monospace,Menlo,Consolas,"
    "monospace}"
    "@media(max-width:26rem){article{padding:1.2rem;border-radius:14px}dl{display:block}dt{border-top:1px solid "
    "var(--line);"
    "padding:.5rem .9rem 0;background:none;font-size:.85rem}dd{border-top:0;padding:.05rem .9rem .55rem}"
    "button{width:100%}}"
    "button{font:inherit;font-weight:600;min-height:3rem;padding:.7rem "
    "1.5rem;border:0;border-radius:12px;background:var(--acc);"
    "color:var(--on);cursor:pointer}button:hover{filter:brightness(1.08)}"
    "a:focus-visible,button:focus-visible{outline:3px solid var(--acc);outline-offset:3px}"
    "form{margin:1.2rem 0 .4rem}a{color:var(--acc)}"
    ".note{background:var(--warnsoft);color:var(--warn);border-radius:10px;padding:.7rem .9rem;font-size:.95rem}"
    ".ok{color:var(--ok)}.bad{color:var(--bad)}.mut,footer{color:var(--mut);font-size:.9rem}"
    ".ok:before,.bad:before{display:inline-block;width:1.6em;height:1.6em;line-height:1.6em;margin-right:.5em;border-"
    "radius:50%;"
    "text-align:center;font-size:.85em}.ok:before{content:'\\2713';background:var(--oksoft)}"
    ".bad:before{content:'!';background:var(--badsoft)}"
    "footer{max-width:38rem;width:100%;margin:0 auto;padding:1.1rem 1.1rem 1.6rem;text-align:center}"
    "@media print{body{background:#fff}article{box-shadow:none}button{display:none}}";

static const char icon[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\">"
			   "<rect width=\"32\" height=\"32\" rx=\"7\" fill=\"#2457d6\"/>"
			   "<g fill=\"#fff\"><circle cx=\"9\" cy=\"9\" r=\"3\"/><circle cx=\"23\" cy=\"9\" r=\"3\"/>"
			   "<circle cx=\"9\" cy=\"23\" r=\"3\"/><circle cx=\"23\" cy=\"23\" r=\"3\"/>"
			   "<circle cx=\"16\" cy=\"16\" r=\"4\"/></g></svg>";

struct bytes web_style(void)
{
	return BYTES_LIT(style);
}

struct bytes web_icon(void)
{
	return BYTES_LIT(icon);
}
