"""Files as other systems export them, small and in our own words."""

# ruff: noqa: E501, RUF001 - as such files are

RSS = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Harbour</title><link>https://harbour.example/</link><description>News</description>
<item><guid>https://harbour.example/?p=1</guid><title>The pier &amp;amp; the quay</title>
<link>https://harbour.example/1</link><pubDate>Fri, 22 May 2026 10:47:00 GMT</pubDate>
<category>Sea Traffic</category><category>Orders</category><dc:creator>Ann Archer</dc:creator>
<description>In short.</description><content:encoded><![CDATA[<p>The pier is <b>open</b>.</p>]]></content:encoded>
<enclosure url="http://harbour.example/plan.pdf" type="application/pdf" length="1200"/>
<enclosure url="https://harbour.example/pier.jpg" type="image/jpeg" length="0"/></item>
<item><guid isPermaLink="false">two</guid><title>Second</title><description>&lt;p&gt;Only this.&lt;/p&gt;</description></item>
<item><title>Nobody</title><description>Without a name.</description></item>
</channel></rss>"""

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Harbour</title><id>urn:harbour</id><updated>2026-05-22T10:47:00Z</updated>
<entry><id>urn:harbour:7</id><title type="html">Tide &amp;lt;table&amp;gt;</title><updated>2026-05-22T10:47:00Z</updated>
<published>2026-05-21T08:00:00+04:00</published><content type="html">&lt;p&gt;High at nine.&lt;/p&gt;</content></entry></feed>"""

JSON_FEED = """{"version": "https://jsonfeed.org/version/1.1", "title": "Harbour", "items": [
{"id": "42", "title": "Lanterns", "content_text": "Lit at dusk.", "date_published": "2026-05-22T10:47:00Z",
 "tags": ["Night"], "authors": [{"name": "Ann Archer"}], "image": "https://harbour.example/lamp.jpg"},
{"title": "Nobody"}]}"""

WXR = """<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE rss [<!ENTITY secret SYSTEM "file:///etc/hostname">]>
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:wp="http://wordpress.org/export/1.2/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<item><title>Ferry timetable</title><dc:creator>ann</dc:creator><content:encoded><![CDATA[<p>Every hour.</p>]]></content:encoded>
<excerpt:encoded><![CDATA[Hourly.]]></excerpt:encoded><wp:post_id>11</wp:post_id><wp:post_date_gmt>2026-05-22 10:47:00</wp:post_date_gmt>
<wp:post_name>ferry-timetable</wp:post_name><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
<category domain="category" nicename="orders">Orders</category><category domain="post_tag" nicename="ferry">Ferry</category></item>
<item><title>Unfinished</title><wp:post_id>12</wp:post_id><wp:status>draft</wp:status><wp:post_type>post</wp:post_type></item>
<item><title>&secret;</title><wp:post_id>13</wp:post_id><wp:status>inherit</wp:status><wp:post_type>attachment</wp:post_type></item>
</channel></rss>"""

NINJS = """{"uri": "urn:agency:9", "language": "en-GB", "pubstatus": "usable", "firstcreated": "2026-05-22T10:47:00Z",
"headlines": [{"role": "main", "value": "Bridge lifted"}], "bylines": [{"byline": "Ann Archer"}],
"bodies": [{"role": "main", "contenttype": "text/html", "value": "<p>At noon.</p>"}],
"subjects": [{"name": "Transport"}], "places": [{"name": "Baku"}],
"associations": [{"type": "picture", "headlines": [{"value": "The bridge"}], "renditions": [
 {"href": "https://agency.example/s.jpg", "width": 100, "height": 50},
 {"href": "https://agency.example/l.jpg", "width": 1000, "height": 500}]}]}""".replace("\n", " ")
NINJS += '\n{"uri": "urn:agency:10", "pubstatus": "canceled"}\n'

CSV = """external_id,title,body,tags,published_at,document.number,section
o-1,Order on lanterns,"Light them,
every one.",night|sea,2026-05-22T14:47:00+04:00,17,documents/orders
,Nameless,x,,,,
"""

MARKDOWN = {
    "2026/tide.md": "---\ntitle: Tide table\ndate: 2026-05-22\ntags: [Sea, Night Work]\nauthor: Ann Archer\n---\n\nHigh at *nine*.\n",
    "heading.md": "# A heading first\n\nAnd its text.\n",
    "toml.md": '+++\ntitle = "From TOML"\nlang = "ru"\n+++\nТекст.\n',
    "draft.md": "---\ntitle: Later\ndraft: true\n---\n…\n",
    "broken.md": "---\ntitle: [\n---\n…\n",
}

# As such files also are: without what the format asks for, in old versions of it, with what others read differently.

ODD_RSS = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0"><channel><title>Canal office</title><link>https://canal.example/news/</link><description/>
<item><link>locks.html</link><title><![CDATA[Locks &amp; weirs <b>reopen</b>]]></title><pubDate>2026-05-22 14:47</pubDate>
<description><![CDATA[<p>See <a href="/map.html">the map</a>.<img src="lock.jpg"></p>]]></description>
<enclosure url="/files/plan.pdf" type="application/pdf" length=""/></item>
<item><guid isPermaLink="false"> two words </guid><description>Caf&amp;eacute; &amp;mdash; open&lt;script&gt;alert(1)&lt;/script&gt;</description><pubDate>Friday last</pubDate></item>
<item><guid isPermaLink="false"> two words </guid><title>The same again</title><description>Other words.</description></item>
<item><guid>bare</guid><title>Only a title</title></item>
<item><guid>nothing</guid></item>
</channel></rss>"""

ODD_ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://canal.example/"><title>Canal office</title><id>urn:canal</id>
<entry><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Barges <em>again</em></div></title>
<link rel="alternate" href="barges/1"/><updated>2026-05-22T10:47:00+04:00</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>From <a href="pier">the pier</a>.</p></div></content></entry>
<entry><id>urn:canal:2</id><title/><updated>2026-05-22T10:47:00.123456Z</updated><summary>Only a summary.</summary></entry>
</feed>"""

ODD_JSON_FEED = """{"version": "https://jsonfeed.org/version/1", "home_page_url": "https://canal.example/", "items": [
{"id": 7, "url": "https://canal.example/7", "content_html": "<p><a href='/map'>Map</a></p>", "tags": null,
 "author": {"name": "Ann Archer"}, "image": "/lock.jpg", "date_published": "2026-05-22T10:47:00", "attachments": null},
{"id": 7, "title": "The same again", "content_text": "Other words."},
{"url": "https://canal.example/8", "title": "", "content_text": "Dredging goes on. Ships wait."},
{"id": "9", "title": "When", "content_text": "At once.", "date_published": "next Friday"}]}"""

ODD_WXR = """<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.0/" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<item><title></title><content:encoded><![CDATA[Two lines.\n\nNo markup, and ]]]]><![CDATA[> in them.]]></content:encoded><wp:post_id>21</wp:post_id>
<wp:post_date_gmt>0000-00-00 00:00:00</wp:post_date_gmt><wp:post_name>2026</wp:post_name><wp:status>publish</wp:status><wp:post_type>page</wp:post_type>
<category domain="category" nicename="transport"><![CDATA[Transport]]></category></item>
<item><title>Planned</title><wp:post_id>22</wp:post_id><wp:status>future</wp:status><wp:post_type>post</wp:post_type></item>
<item><title>When</title><content:encoded>x</content:encoded><wp:post_id>23</wp:post_id><wp:post_date_gmt>2026-13-45 00:00:00</wp:post_date_gmt><wp:status>publish</wp:status><wp:post_type>post</wp:post_type></item>
</channel></rss>"""

ODD_NINJS = """[{"uri": "urn:agency:11", "language": "ru", "headlines": [{"value": "<b>Мост</b> &amp; паром"}], "subjects": null,
 "bodies": [{"role": "short", "value": "Кратко."}, {"role": "main", "contenttype": "text/vnd.agency", "value": "Полный текст."}],
 "contentcreated": "2026-05-22T10:47:00", "associations": [{"type": "video", "renditions": null}]},
{"uri": "urn:agency:12", "headlines": [{"value": "Held"}], "bodies": [{"value": "Later."}], "embargoed": "2999-01-01T00:00:00+00:00"},
{"uri": "urn:agency:13", "headlines": [{"value": "Nothing below"}], "bodies": null}, 13]"""

ODD_CSV = """\ufeffexternal_id;title;body;tags;place
o-2;"Order; second";"He said ""yes"" twice";lamps | sea |;
o-3;;No title;;
o-2;Again;Other words;;
o-4;One cell more;x;;Baku;surplus
"""

ODD_MARKDOWN = {
    "bom.md": "\ufeff---\r\ntitle: From Windows\r\ndate: 2026-05-22 10:47:00\r\ndescription: In short\r\n---\r\nText.\r\n",
    "ids/one.md": "---\nexternal_id: same\ntitle: One\n---\nText.\n",
    "ids/two.md": "---\nexternal_id: same\ntitle: Two\n---\nText.\n",
    "plain.md": "No front matter, and no heading.\n",
    "scalar.md": "---\njust words\n---\nText.\n",
    "файл с пробелом.md": "---\ntitle: 2026\ntags: sea\n---\nТекст.\n",
}
