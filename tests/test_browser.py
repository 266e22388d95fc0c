"""The built book in a real browser: offline, readable, accessible, whole."""

import functools
import html.parser
import re
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import HTML, pages

PAGES = pages()
WRITTEN = [p for p in PAGES if p.startswith("book/")]
every_page = pytest.mark.parametrize("name", PAGES or ["index.html"])
every_written_page = pytest.mark.parametrize("name", WRITTEN or ["book/intro.html"])
# Jupyter Book loads sphinx-thebe, which we do not use, and which declares its constants twice
SETTLED = """Promise.allSettled(
    document.getAnimations()
        .filter(a => isFinite(a.effect.getComputedTiming().endTime))
        .map(a => a.finished)
).then(() => null)"""
HARMLESS = "Identifier 'THEBE_JS_URL' has already been declared"
PAGE_LIMIT = 1_500_000  # bytes


class _Reader(html.parser.HTMLParser):
    """Collects the ids and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if attrs.get("id") else []
        self.links += [attrs[k] for k in ("href", "src") if attrs.get(k)]


@functools.cache
def structure(path):
    return _Reader(path.read_text("utf-8"))


@pytest.fixture
def visit(browser):
    """Return a function that opens an address: the page, its requests and its complaints."""
    opened = []

    def open_page(address, width=1200, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        requests, complaints = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.evaluate(SETTLED)  # what fades in has less contrast
        if page.evaluate("typeof MathJax !== 'undefined' && !!MathJax.startup"):
            page.evaluate("MathJax.startup.promise.then(() => null)")
        return page, requests, complaints

    yield open_page
    for page in opened:
        page.close()


def local(url, site):
    return url.startswith((site, "file://", "data:", "blob:"))


@every_page
@pytest.mark.parametrize("way", ["disk", "http"])
def test_page_loads_without_a_request_outside_or_a_complaint(visit, site, name, way):
    address = (HTML / name).as_uri() if way == "disk" else site + name
    _, requests, complaints = visit(address)
    assert [url for url in requests if not local(url, site)] == []
    assert [text for text in complaints if text != HARMLESS] == []


@every_written_page
def test_math_is_rendered(visit, site, name):
    page, _, _ = visit(site + name)
    formulas = page.locator("span.math, div.math").count()
    assert page.locator("mjx-container").count() >= formulas
    assert page.locator("mjx-merror").count() == 0


@every_written_page
def test_every_image_has_alt_text(visit, site, name):
    page, _, _ = visit(site + name)
    bare = "images => images.filter(i => !(i.alt || '').trim()).map(i => i.outerHTML.slice(0, 200))"
    assert page.locator("main img").evaluate_all(bare) == []
    drawings = (
        "all => all.filter(s => !s.getAttribute('aria-label')).map(s => s.outerHTML.slice(0, 200))"
    )
    assert page.locator("main .cnn-figure svg").evaluate_all(drawings) == []


@every_written_page
def test_phone_never_scrolls_sideways(visit, site, name):
    page, _, _ = visit(site + name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@every_written_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, site, name, scheme):
    page, _, _ = visit(site + name, scheme=scheme)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [n["html"][:150] for n in v["nodes"][:3]]) for v in serious] == []


@every_page
def test_links_lead_somewhere(name):
    base = (HTML / name).as_uri()
    dead = []
    for link in structure(HTML / name).links:
        target, anchor = urldefrag(urljoin(base, link))
        if not target.startswith("file://"):
            continue
        path = HTML / unquote(urlsplit(target).path)
        if not path.is_file() or (
            anchor and path.suffix == ".html" and anchor not in structure(path).ids
        ):
            dead.append(link)
    assert dead == []


@every_page
def test_no_id_is_used_twice(name):
    ids = structure(HTML / name).ids
    assert {i for i in ids if ids.count(i) > 1} == set()


@every_page
def test_page_is_small_enough(name):
    page = HTML / name
    pictures = [page.parent / unquote(link) for link in structure(page).links if "_images/" in link]
    assert page.stat().st_size + sum(p.stat().st_size for p in pictures) < PAGE_LIMIT


def test_no_authors_initial_has_become_a_numbered_list():
    assert (
        re.findall(r"<ol class=\"\w*alpha", (HTML / "book" / "api.html").read_text("utf-8")) == []
    )


def test_search_finds_a_term(visit, site):
    page, _, _ = visit(site + "search.html?q=Gaussian")
    page.locator("#search-results li").first.wait_for(timeout=20_000)
    assert "Filtering" in page.locator("#search-results").inner_text()


def test_the_root_leads_to_the_landing_page(visit, site):
    page, _, _ = visit(site + "index.html")
    page.wait_for_url("**/book/intro.html")
    assert page.locator("article h1").inner_text().startswith("Convolutional neural networks")


def test_there_is_one_search_box(visit, site):
    page, _, _ = visit(site + "book/intro.html")
    boxes = page.locator(".search-button__wrapper input, .search-button-field, form.bd-search")
    assert boxes.evaluate_all("all => all.filter(b => b.offsetParent !== null).length") == 1


@every_written_page
def test_notebooks_launch_in_binder_and_colab_and_pages_do_not(visit, site, name):
    page, _, _ = visit(site + name)
    addresses = page.locator("a[href*='mybinder.org'], a[href*='colab.research']").evaluate_all(
        "a => a.map(b => b.href)"
    )
    if (HTML / "_sources" / name.replace(".html", ".ipynb")).exists():
        stem = name.removesuffix(".html")
        assert len(addresses) == 2
        assert all(f"{stem}.ipynb" in unquote(a) for a in addresses)
    else:
        assert addresses == []
