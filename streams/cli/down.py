"""`kol down`: stop what `kol up` started."""

from streams.cli.options import HOME, Home, Json, at_home, out, printed, told


@told
def down(*, home: Home = HOME, as_json: Json = False) -> None:
    """Stop what `kol up` started; events, rows and state stay."""
    from deploy.embedded.home import Home as Folder
    from deploy.embedded.supervisor import stop

    stopped = stop(Folder(at_home(home)))
    if as_json:
        printed({"stopped": stopped})
    else:
        out.print("stopped" if stopped else "nothing was running")
