"""What runs inside the sandbox: plain standard library, no import of this project.

Inside the sandbox this folder is a package of its own, `inside`, and all there is of the project; so its modules import
each other relatively and nothing above. The host runs none of them in its own process; it only shares wire.py.
"""
