"""`kol down`: stop what `kol up` started."""

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import out, print_json


def down(*, home: Home = HOME, as_json: Json = False) -> None:
    """Stop what `kol up` started; events, rows and state are kept."""
    from deploy.embedded.state_folder import StateFolder
    from deploy.embedded.supervisor import stop

    stopped = stop(StateFolder(use_home(home)))
    if as_json:
        print_json({"stopped": stopped})
    else:
        out.print("stopped" if stopped else "nothing was running")
