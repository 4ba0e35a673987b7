import asyncio, json, base64, aiohttp, pytest
from tests.attacks.conftest import *
from urllib.parse import urlencode

async def test_race(scene):
    b = await scene.browser()
    one, two = await scene.start(b), await scene.start(b)
    pages = await asyncio.gather(scene.answer(one, sub="ada"), scene.answer(two, sub="bob"))
    print([p.text for p in pages], await scene.who_is_in(b))
    for a in scene.apps["webapp"].arrived:
        print(a.claims["sub"], a.claims["sid"], (await asyncio.to_thread(scene.apps["webapp"].userinfo, a.tokens)).status_code)
    from proxy.store import List
    print([k.name for k in scene.node.store._records] if hasattr(scene.node.store,"_records") else vars(scene.node.store).keys())

async def test_race_back(scenes):
  async with scenes({"corp": {"type": "back_channel"}}) as scene:
    b = await scene.browser()
    one, two = await scene.start(b), await scene.start(b)
    t = scene.tenants["corp"]
    from tests.kit.tenant import Step
    asked=[asked_of(one), asked_of(two)]
    # both codes exchanged at the same time
    for a, who in zip(asked, ("ada","bob")):
        tok = jws(t.keys[0], good_claims(t.base, time.time(), nonce=a["nonce"], sub=who))
        t.script["token"].append(Step(body=json.dumps({"id_token":tok,"access_token":"x","token_type":"Bearer"}).encode(), hold=0.3))
    async def fin(tab, a):
        return await tab.navigate(Navigation("GET", f"{a['redirect_uri']}?code=c&state={a['state']}", initiator=t.base))
    f1 = asyncio.create_task(fin(one, asked[0])); await t.wait_for("token",1)
    f2 = asyncio.create_task(fin(two, asked[1])); await t.wait_for("token",2)
    pages = await asyncio.gather(f1, f2)
    print([p.text for p in pages], await scene.who_is_in(b))
    for a in scene.apps["webapp"].arrived:
        print(a.claims["sub"], a.claims["sid"], (await asyncio.to_thread(scene.apps["webapp"].userinfo, a.tokens)).status_code)

async def test_surrogates(scene):
    app = scene.apps["webapp"]
    h = {"Authorization": "Basic "+base64.b64encode(f"webapp:{app.secret}".encode()).decode(), "Content-Type":"application/json"}
    async with aiohttp.ClientSession() as http:
        for name in ("code", "code_verifier", "refresh_token", "scope", "redirect_uri", "grant_type", "client_id"):
            body = {"grant_type":"authorization_code","code":"x","redirect_uri":app.callback, name:"\ud800"}
            if name=="refresh_token": body["grant_type"]="refresh_token"
            async with http.post(f"{scene.node.issuer}oauth/token", data=json.dumps(body), headers=h) as r:
                print("json surrogate", name, r.status, (await r.text())[:120])

async def test_name(scene):
    b = await scene.browser()
    p = await scene.log_in(b, sub="ada", name="A\ud800<b>", email="x\u202e@x", picture="javascript:alert(1)")
    print(p.status, p.text)
    tab = await b.open(f"{scene.node.issuer}oidc/logout")
    print(tab.page.status, tab.page.text)

async def test_logout_crossorigin(scene):
    b = await scene.browser()
    p = await scene.log_in(b, sub="ada")
    for headers in ({}, ):
        tab = await b.open(f"{scene.node.issuer}oidc/logout")
        print(tab.page.body[-600:])
        await tab.click("Log out")
        print(tab.page.text, await scene.who_is_in(b))

async def test_own_callback_encoded(scenes):
    async with scenes({"corp": {"type":"back_channel"}}) as scene:
        b = await scene.browser()
        tab = await scene.start(b)
        a = asked_of(tab)
        p = await tab.navigate(Navigation("GET", f"{scene.node.issuer}login/callback/login%2Fcallback?code=x&state={a['state']}"))
        print("encoded callback", p.status, p.text, scene.tenants["corp"].calls)

async def test_down(scenes):
    async with scenes({"corp": {}, "acme": {}}) as scene:
        b = await scene.browser()
        scene.tenants["corp"].always["discovery"] = __import__("tests.kit.tenant",fromlist=["Step"]).Step(status=500)
        tab = await scene.start(b)
        await tab.click("corp login")
        print("down", tab.page.status, tab.page.text, tab.page.names)
        tab = await scene.start(b, connection="corp")
        print("down", tab.page.status, tab.page.text, tab.page.names)
