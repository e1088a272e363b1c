FROM host:5000/modelcast-runtime:1
COPY laid/ /
LABEL "modelcast.name"="spam"
