"""Pictures from the network: only when it is allowed, once, whole, and only if they are pictures."""

import io
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from pytti_graph import Graph, GraphError, UsageError
from pytti_graph.cli.main import execute
from pytti_graph.core import web_pictures
from pytti_graph.core.scenes import parse_scenes
from pytti_graph.core.web_pictures import WebPicture
from pytti_graph.engine.files import FileAccess
from pytti_graph.nodes import sources
from pytti_graph.nodes.prompt_files import open_pictures


def picture(colour="red", size=(8, 6)):
    """The bytes of a PNG."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


class Site:
    """A web server on this machine.

    Attributes:
        answers: For each path its status, headers and content.
        asked: Methods and paths of all requests.
        agents: What the requests said that they come from.
    """

    def __init__(self):
        site = self
        self.answers, self.asked, self.agents = {}, [], set()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append((self.command, self.path))
                site.agents.add(self.headers["User-Agent"])
                status, headers, content = site.answers.get(self.path, (404, {}, b"not here"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET  # noqa: N815 (the server's name)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def give(self, path, content=b"", status=200, length=True, **headers):
        """Answer a path; returns its address."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sized = (
            {"Content-Length": str(len(content))} if length is True else {"Content-Length": length} if length else {}
        )
        self.answers[path] = status, {**sized, **named}, content
        return self.address + path


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A web server, and a cache folder of its own."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *arguments: str(tmp_path / "cache"))
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_picture_is_fetched_once(site):
    """Kept by its address, with nothing beside it; a later run needs no network."""
    address = site.give("/dir/a%20b.png?c=d", picture())
    made = WebPicture(address)
    assert made.cached() is None
    assert made.size() == len(picture())
    assert made.cached() is None
    path = made.fetch()
    assert path.read_bytes() == picture()
    assert made.fetch() == WebPicture(address).cached() == path
    assert [file.name for file in made.destination.iterdir()] == [path.name]
    assert site.asked == [("HEAD", "/dir/a%20b.png?c=d"), ("GET", "/dir/a%20b.png?c=d")]
    assert site.agents == {"pytti-graph"}
    site.server.shutdown()
    assert WebPicture(address).fetch() == path


def test_other_addresses_are_other_pictures(site):
    """Whatever their last part is."""
    red = WebPicture(site.give("/a/x.png", picture("red"))).fetch()
    blue = WebPicture(site.give("/b/x.png", picture("blue"))).fetch()
    assert red.read_bytes() != blue.read_bytes()


def test_any_characters(site):
    """Sent as browsers send them."""
    site.give("/%C3%A4.png?q=%C3%B6", picture())
    assert WebPicture(site.address + "/ä.png?q=ö#part").fetch().is_file()


def test_sizes_that_are_not_told(site):
    """By a server that has none, or that answers no such question."""
    assert WebPicture(site.give("/a.png", picture(), length=None)).size() is None
    assert WebPicture(site.give("/b.png", picture(), status=405)).size() is None
    with pytest.raises(OSError, match="404"):
        WebPicture(site.address + "/none.png").size()


def test_redirects_are_followed(site):
    """Relative and absolute ones; the picture is kept by the address that was asked for."""
    site.give("/end.png", picture())
    site.give("/middle", status=307, Location=site.address + "/end.png")
    made = WebPicture(site.give("/begin", status=302, Location="middle"))
    assert made.size() == len(picture())
    assert made.fetch() == made.cached()


@pytest.mark.parametrize(
    "elsewhere",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.png",
        "data:image/png;base64,aa",
        "gopher://a/b",
        "http://127.0.0.1:x/c.png",
        "javascript:1",
    ],
)
def test_redirects_lead_nowhere_that_a_graph_could_not_name(site, elsewhere):
    """Neither to files of this machine."""
    made = WebPicture(site.give("/a.png", status=302, Location=elsewhere))
    with pytest.raises(OSError, match="it leads elsewhere, and"):
        made.fetch()
    assert made.cached() is None


def test_redirects_without_end(site):
    """Are not followed without end."""
    made = WebPicture(site.give("/a.png", status=301, Location="/a.png"))
    with pytest.raises(OSError, match="without end"):
        made.fetch()
    assert len(site.asked) < 10


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"content": b"<html>no picture</html>"}, "it is not a picture that can be read: unknown format"),
        ({"content": b""}, "it is not a picture that can be read"),
        ({"content": picture(size=(64, 64))[:60]}, "it is not a picture that can be read"),
        ({"content": picture(), "length": "9000"}, "it ended after"),
        ({"content": b"", "length": "200000000"}, "it is larger than 100 MB"),
        ({"status": 404}, "HTTP Error 404"),
        ({"status": 500}, "HTTP Error 500"),
        ({"status": 302}, "HTTP Error 302"),
    ],
)
def test_what_is_no_whole_picture_is_not_kept(site, answer, message):
    """And nothing of it stays."""
    made = WebPicture(site.give("/a.png", **answer))
    with pytest.raises(OSError, match=message):
        made.fetch()
    assert made.cached() is None
    assert list(made.destination.iterdir()) == []


def test_the_size_is_counted_where_it_is_not_told(site, monkeypatch):
    """A stream without end is cut off."""
    monkeypatch.setattr(web_pictures, "LARGEST", 1000)
    with pytest.raises(OSError, match="it is larger than"):
        WebPicture(site.give("/a.png", b"a" * 1_000_000, length=None)).fetch()


def test_slow_answers_end(site, monkeypatch):
    """After a time in all, however steadily they drip."""
    monkeypatch.setattr(web_pictures, "_LONGEST", -1.0)
    with pytest.raises(OSError, match="it takes longer"):
        WebPicture(site.give("/a.png", picture())).fetch()


def test_nobody_there(site):
    """A server that does not listen, or does not answer in time."""
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(OSError, match=r"refused"):
        WebPicture(site.address + "/a.png").fetch()


def test_a_server_that_says_nothing(monkeypatch, tmp_path):
    """Is given up."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *arguments: str(tmp_path / "cache"))
    monkeypatch.setattr(web_pictures, "_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="timed out"):
        WebPicture(f"http://127.0.0.1:{server.getsockname()[1]}/a.png").fetch()


# In graphs

GRAPH = """
pytti_graph: 1
nodes:
  photo:  {{type: source.image, path: '{address}'}}
  mask:   {{type: source.mask, path: '{address}'}}
  mixed:  {{type: picture.inpaint, image: photo, picture: photo, mask: mask}}
  frames: {{type: write.frames, image: mixed}}
"""


@pytest.fixture
def graph(tmp_path, monkeypatch):
    """Makes a graph file that reads an address."""
    monkeypatch.chdir(tmp_path)

    def make(address):
        Path("graph.yaml").write_text(GRAPH.format(address=address))
        return Graph.load("graph.yaml")

    return make


def test_nothing_is_fetched_unasked(site, graph, capfd):
    """By no command but fetch, without --allow-network: told at its place, before there is a run folder."""
    address = site.give("/a.png", picture())
    made = graph(address)
    assert made.check() == []
    for command in ("check", "plan", "show"):
        assert execute([command, "graph.yaml"]) == 0
    with pytest.raises(GraphError) as caught:
        next(iter(made.render("run")))
    assert [str(problem.position) for problem in caught.value.problems] == ["graph.yaml:4:38", "graph.yaml:5:37"]
    assert execute(["run", "graph.yaml", "-o", "run"]) == 3
    error = capfd.readouterr().err
    assert f"photo: path: the picture {address} has not been fetched" in error
    assert "run 'pytti-graph fetch GRAPH' once, or add --allow-network" in error
    assert site.asked == []
    assert not Path("run").exists()


def test_fetch_and_run(site, graph, capfd):
    """`fetch` says sizes and fetches once; then `run` needs no network."""
    address = site.give("/a.png", picture())
    graph(address)
    assert execute(["fetch", "graph.yaml"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first == f"{address}: {len(picture())} bytes"
    assert second.startswith("fetched ")
    assert execute(["fetch", "graph.yaml"]) == 0
    assert capfd.readouterr().out.startswith("already here: ")
    site.server.shutdown()
    assert execute(["run", "graph.yaml", "-o", "run", "--quiet"]) == 0
    assert Image.open("run/frames/00000.png").getpixel((3, 3)) == (255, 0, 0)
    assert site.asked == [("HEAD", "/a.png"), ("GET", "/a.png")]


def test_run_with_the_network(site, graph, tmp_path):
    """Fetches too; the run folder tells of the address and of nothing else."""
    address = site.give("/a.png", picture())
    graph(address)
    assert execute(["run", "graph.yaml", "-o", "run", "--quiet", "--allow-network"]) == 0
    assert site.asked == [("GET", "/a.png")]
    assert address in Path("run/graph.yaml").read_text()
    told = b"".join(path.read_bytes() for path in Path("run").rglob("*") if path.is_file())
    assert str(tmp_path / "cache").encode() not in told


def test_fetch_says_what_went_wrong(site, graph, capfd):
    """With what to do instead."""
    graph(site.address + "/none.png")
    assert execute(["fetch", "graph.yaml"]) == 4
    error = capfd.readouterr().err
    assert f"{site.address}/none.png cannot be fetched: HTTP Error 404: Not Found" in error
    assert "save it beside the graph" in error


@pytest.mark.parametrize("content", [b"<html>", b"a" * 2000])
def test_run_says_what_went_wrong(site, graph, monkeypatch, content):
    """At the place of the address."""
    monkeypatch.setattr(web_pictures, "LARGEST", 1000)
    made = graph(site.give("/a.png", content))
    with pytest.raises(GraphError, match=r"graph\.yaml:\d:3\d: error: \w+: path: http.*cannot be fetched: it is "):
        list(made.render(allow_network=True))


@pytest.mark.parametrize("address", ["ftp://a.b/c.png", "file:///etc/passwd", "https://a.b/c d.png", "https:c.png"])
def test_addresses_that_are_none(graph, address, capfd):
    """Are told by check and by fetch."""
    made = graph(address)
    with pytest.raises(GraphError, match=r"graph\.yaml:4:38: error: photo: path: .*address"):
        made.check()
    assert execute(["fetch", "graph.yaml"]) == 3
    assert "graph.yaml:4:38" in capfd.readouterr().err


def test_only_pictures_are_read_from_the_network(tmp_path):
    """Other files have to be there."""
    text = "pytti_graph: 1\nnodes:\n  eye: {type: loss.aesthetic, path: 'https://a.b/c.safetensors'}\n"
    (tmp_path / "graph.yaml").write_text(text)
    files = FileAccess(tmp_path, network=True)
    assert files.input("https://a.b/c.png") == tmp_path / "https:/a.b/c.png"
    assert files.picture("a.png") == tmp_path / "a.png"
    with pytest.raises(UsageError, match="lies outside"):
        files.picture("../a.png")


def test_in_prompts(site, tmp_path):
    """As pictures and as masks: refused at their place, or fetched."""
    address = site.give("/a_b.png", picture())
    text = (
        "pytti_graph: 1\nnodes:\n  eye: {type: perceptor.open_clip, pretrained: random}\n"
        f"  story: {{type: prompt.scenes, perceptor: eye, scenes: 'red | [{address}]:2 | blue:1_[-{address}]'}}\n"
    )
    made = Graph.parse(text, "g.yaml")
    bound = made.checked.nodes["story"].arguments["scenes"]
    assert [(file.address, str(place)) for file, place in bound.files] == [
        (address, f"g.yaml:4:{text.splitlines()[3].index(address) + 1}"),
        (address, f"g.yaml:4:{text.splitlines()[3].rindex(address) + 1}"),
    ]
    files = FileAccess(tmp_path, network=True)
    prompts = parse_scenes(f"red | [{address}]:2 | blue:1_[-{address}]").scenes[0]
    device = SimpleNamespace(torch=torch.device("cpu"))
    with pytest.raises(UsageError, match="has not been fetched") as caught:
        open_pictures(prompts, FileAccess(tmp_path), device)
    assert caught.value.offset == 6
    opened = open_pictures(prompts, files, device)
    assert list(opened) == [address]
    assert torch.equal(opened[address], sources.image(WebPicture(address).fetch(), device))
    assert len(site.asked) == 1
